//! SplitMix64: a seed gives the same cases everywhere.

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'t>(&mut self, items: &[&'t str]) -> &'t str {
        items[self.below(items.len())]
    }

    /// A text with one character lost, added, moved, or its end cut off.
    pub(super) fn damaged(&mut self, text: &str, extras: &[&str]) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        if characters.is_empty() {
            return self.pick(extras).to_owned();
        }
        let at = self.below(characters.len());
        match self.below(4) {
            0 => {
                characters.remove(at);
            }
            1 => {
                let extra: Vec<char> = self.pick(extras).chars().collect();
                characters.splice(at..at, extra);
            }
            2 => characters.truncate(at),
            _ => {
                let other = self.below(characters.len());
                characters.swap(at, other);
            }
        }
        characters.into_iter().collect()
    }
}
