module peers/diff

go 1.26

require github.com/argoproj/gitops-engine v0.7.3
