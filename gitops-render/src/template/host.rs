//! The world outside of the templates, as far as the caller of a render lets them see it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use gitops_core::{
    clock::Timestamp,
    object::Manifest,
    render::{Lookup, Randomness, RememberedValues},
};
use sha2::{Digest, Sha256};

use super::{error::CallError, options::Limits, text::Str};

/// Resolves a host name to addresses, for `getHostByName`.
pub type Resolver = Arc<dyn Fn(&str) -> Vec<String> + Send + Sync>;

/// What one render may ask for, and what it did ask for.
pub struct Host {
    randomness: Randomness,
    now: Timestamp,
    lookups: Lookups,
    resolver: Option<Resolver>,
    limits: Limits,
    steps_left: u64,
    random_block: u64,
    random_rest: Vec<u8>,
    used_randomness: bool,
    used_time: bool,
    needs: BTreeSet<Lookup>,
    remembered: RememberedValues,
    occurrences: HashMap<String, u32>,
}

/// What `lookup` finds.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Lookups {
    /// Nothing, as without a cluster.
    #[default]
    Nothing,
    /// The answers; those that are missing are collected as needs.
    Answered(Arc<BTreeMap<Lookup, Vec<Manifest>>>),
}

impl Host {
    /// A host with a clock that stands still, randomness from the operating system, and nothing
    /// else.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let limits = Limits::default();
        Self {
            randomness: Randomness::Real,
            now,
            lookups: Lookups::Nothing,
            resolver: None,
            steps_left: limits.steps,
            limits,
            random_block: 0,
            random_rest: Vec::new(),
            used_randomness: false,
            used_time: false,
            needs: BTreeSet::new(),
            remembered: RememberedValues::default(),
            occurrences: HashMap::new(),
        }
    }

    /// Where random values come from.
    #[must_use]
    pub fn with_randomness(mut self, randomness: Randomness) -> Self {
        self.randomness = randomness;
        self
    }

    /// What `lookup` finds.
    #[must_use]
    pub fn with_lookups(mut self, lookups: Lookups) -> Self {
        self.lookups = lookups;
        self
    }

    /// Lets `getHostByName` resolve names.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// What bounds the render.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.steps_left = limits.steps;
        self
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The current time.
    pub fn now(&mut self) -> Timestamp {
        self.used_time = true;
        self.now
    }

    /// Lookups that had no answer. If there are any, the result of the render is not valid: answer
    /// them and render again.
    #[must_use]
    pub fn needs(&self) -> &BTreeSet<Lookup> {
        &self.needs
    }

    /// Random values made or used again, by call site.
    #[must_use]
    pub fn into_remembered(self) -> RememberedValues {
        self.remembered
    }

    /// Whether a template used randomness.
    #[must_use]
    pub fn used_randomness(&self) -> bool {
        self.used_randomness
    }

    /// Whether a template used the current time.
    #[must_use]
    pub fn used_time(&self) -> bool {
        self.used_time
    }

    /// What the cluster has for a lookup; nothing, and a need, if that is not known.
    pub fn lookup(&mut self, lookup: Lookup) -> &[Manifest] {
        match &self.lookups {
            Lookups::Nothing => &[],
            Lookups::Answered(answers) => match answers.get(&lookup) {
                Some(found) => found,
                None => {
                    self.needs.insert(lookup);
                    &[]
                }
            },
        }
    }

    /// Addresses of a host name; None where names must not be resolved.
    pub fn resolve(&mut self, name: &str) -> Option<Vec<String>> {
        self.resolver.as_ref().map(|resolver| resolver(name))
    }

    pub(super) fn spend(&mut self, steps: u64) -> Result<(), CallError> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(CallError::limit("steps", self.limits.steps)),
        }
    }

    /// Fills a buffer with random bytes.
    pub fn random(&mut self, buffer: &mut [u8]) -> Result<(), CallError> {
        self.used_randomness = true;
        match self.randomness {
            Randomness::Forbidden => Err(CallError::forbidden("randomness")),
            Randomness::Seeded(seed) => {
                self.fill_from_seed(seed, buffer);
                Ok(())
            }
            _ => getrandom::fill(buffer).map_err(|error| {
                CallError::new(format!("the operating system gives no randomness: {error}"))
            }),
        }
    }

    fn fill_from_seed(&mut self, seed: u64, buffer: &mut [u8]) {
        for byte in buffer {
            if self.random_rest.is_empty() {
                let mut hash = Sha256::new();
                hash.update(seed.to_le_bytes());
                hash.update(self.random_block.to_le_bytes());
                self.random_block += 1;
                self.random_rest = hash.finalize().to_vec();
            }
            *byte = self.random_rest.pop().unwrap_or_default();
        }
    }

    /// Whether random values come from a seed, so that the same seed must give the same ones.
    #[must_use]
    pub fn is_seeded(&self) -> bool {
        matches!(self.randomness, Randomness::Seeded(_))
    }

    pub(super) fn remembers(&self) -> bool {
        matches!(self.randomness, Randomness::Remembered(_))
    }

    /// The key of this use of a call site: a site in a loop has many.
    pub(super) fn next_occurrence(&mut self, site: &str) -> String {
        let count = self.occurrences.entry(site.to_owned()).or_default();
        let key = format!("{site}#{count}");
        *count += 1;
        key
    }

    pub(super) fn recall(&mut self, key: &str) -> Option<Str> {
        let Randomness::Remembered(values) = &self.randomness else {
            return None;
        };
        let text = values.0.get(key)?.clone();
        let result = Str::from(text.as_str());
        self.used_randomness = true;
        self.remembered.0.insert(key.to_owned(), text);
        Some(result)
    }

    pub(super) fn remember(&mut self, key: String, text: &Str) {
        self.remembered.0.insert(key, text.to_str().into_owned());
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("limits", &self.limits)
            .field("steps_left", &self.steps_left)
            .finish_non_exhaustive()
    }
}
