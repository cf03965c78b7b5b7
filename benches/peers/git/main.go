// Peer of the bench `git`: clones or updates with go-git, as Flux does, and prints the seconds it took.
//
//	peer clone URL DIR       with its files, as Flux needs them
//	peer clone-bare URL DIR  without
//	peer fetch DIR
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
)

func main() {
	start := time.Now()
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%.6f\n", time.Since(start).Seconds())
}

func run(args []string) error {
	if len(args) == 3 && (args[0] == "clone" || args[0] == "clone-bare") {
		_, err := git.PlainClone(args[2], args[0] == "clone-bare", &git.CloneOptions{
			URL:           args[1],
			Depth:         1,
			SingleBranch:  true,
			ReferenceName: plumbing.NewBranchReferenceName("main"),
			Tags:          git.NoTags,
		})
		return err
	}
	if len(args) == 2 && args[0] == "fetch" {
		repository, err := git.PlainOpen(args[1])
		if err != nil {
			return err
		}
		return repository.Fetch(&git.FetchOptions{Depth: 1, Tags: git.NoTags})
	}
	return fmt.Errorf("usage: peer clone|clone-bare URL DIR | peer fetch DIR")
}
