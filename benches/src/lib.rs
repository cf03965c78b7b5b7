//! Benches of every layer beside the tools they replace: see `benches/` and, for the peers, `peers/`.
