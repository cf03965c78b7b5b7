//! Compiles the code that README.md shows. The command itself is the binary `gitops`.
#![cfg_attr(doctest, doc = include_str!("../../README.md"))]
