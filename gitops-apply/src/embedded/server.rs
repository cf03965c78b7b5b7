//! The API server as a state machine: one lock around it, no IO, no waiting.

use std::{collections::BTreeSet, sync::Arc};

use gitops_core::{
    GroupKind, GroupVersionKind, Manifest, ObjectId, ObjectRef,
    clock::{Clock, Timestamp},
    cluster::{FieldValidation, ListScope, ObjectList},
};

use super::{
    admission::Hook,
    controllers::Queue,
    convert::convert,
    registry::{Kind, Registry},
    selector::{FieldSelector, Selector},
    simulation::Simulation,
    status::ApiError,
    store::{Event, Filter, Next, Store},
};

/// The state of an embedded cluster.
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) minor: u32,
    pub(crate) hooks: Vec<(String, Hook)>,
    pub(crate) simulation: Option<Simulation>,
    pub(crate) queue: Queue,
    /// Makes uids and generated names: the seed, and how many were made.
    pub(crate) seed: u64,
    pub(crate) counter: u64,
    /// Cluster IPs and node ports in use.
    pub(crate) addresses: BTreeSet<u32>,
    pub(crate) ports: BTreeSet<u16>,
    /// What the last write let through but did not like.
    pub(crate) warnings: Vec<String>,
}

/// One write, as it was asked for.
pub(crate) struct Call<'a> {
    pub(crate) kind: Arc<Kind>,
    pub(crate) manager: &'a str,
    pub(crate) dry_run: bool,
    pub(crate) validation: FieldValidation,
    /// Empty for the object itself.
    pub(crate) subresource: &'a str,
    /// Controllers are not subject to admission hooks.
    pub(crate) is_internal: bool,
}

impl Call<'_> {
    pub(crate) fn is_status(&self) -> bool {
        self.subresource == "status"
    }
}

impl Server {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The present time as objects state it: whole seconds.
    pub(crate) fn now_text(&self) -> String {
        let now = self.now();
        Timestamp::from_second(now.as_second())
            .unwrap_or(now)
            .to_string()
    }

    pub(crate) fn kind(&self, gvk: &GroupVersionKind) -> Result<Arc<Kind>, ApiError> {
        self.registry
            .get(gvk)
            .ok_or_else(|| ApiError::unknown_kind(gvk))
    }

    /// An object at the version of the request.
    pub(crate) fn get(&self, object: &ObjectRef) -> Result<Option<Manifest>, ApiError> {
        let kind = self.kind(&object.gvk)?;
        let namespace = if kind.is_namespaced() {
            object.namespace.as_str()
        } else {
            ""
        };
        Ok(self
            .store
            .get(&kind.stored, namespace, &object.name)
            .map(|found| self.read(&kind, found)))
    }

    pub(crate) fn get_existing(&self, object: &ObjectRef) -> Result<Manifest, ApiError> {
        self.get(object)?.ok_or_else(|| {
            let plural = self
                .registry
                .get(&object.gvk)
                .map(|k| k.plural().to_owned());
            ApiError::not_found(&object.gvk.group, &plural.unwrap_or_default(), &object.name)
        })
    }

    /// A stored object as it is served at the version of `kind`.
    pub(crate) fn read(&self, kind: &Kind, object: &Manifest) -> Manifest {
        let mut object = convert(object, &kind.gvk);
        if let Some(structural) = kind
            .custom
            .as_ref()
            .filter(|custom| custom.has_defaults)
            .and_then(|custom| custom.structural.as_ref())
        {
            // Defaults that a definition got later show in objects that were stored before.
            let mut value = object.to_value();
            structural.fill_defaults(&mut value);
            object = Manifest::try_from(value).unwrap_or(object);
        }
        object
    }

    pub(crate) fn filter(&self, scope: &ListScope) -> Result<(Arc<Kind>, Filter), ApiError> {
        let kind = self.kind(&scope.gvk)?;
        let filter = Filter {
            namespace: scope.namespace.clone().filter(|_| kind.is_namespaced()),
            labels: Selector::parse(&scope.label_selector)?,
            fields: FieldSelector::default(),
        };
        Ok((kind, filter))
    }

    pub(crate) fn list(&self, kind: &Kind, filter: &Filter) -> ObjectList {
        let items = self
            .store
            .list(&kind.stored, filter.namespace.as_deref())
            .filter(|object| filter.matches(object))
            .map(|object| self.read(kind, object))
            .collect();
        ObjectList {
            items,
            resource_version: self.store.revision().to_string(),
        }
    }

    /// The next event after a revision that concerns a watch.
    pub(crate) fn next_event(&mut self, kind: &GroupKind, from: u64) -> Next {
        self.store.next(kind, from)
    }

    /// Stores an object (in any of its versions) and lets the controllers know.
    pub(crate) fn commit(&mut self, kind: &Kind, object: Manifest) -> Manifest {
        // The object is not shared any more where it need not be converted: it is stored as it is.
        let stored = match kind.is_stored_version() {
            true => object,
            false => convert(&object, &kind.stored_gvk()),
        };
        let (stored, previous) = self.store.put(&kind.stored, stored);
        self.observe(kind, &stored, previous.as_ref());
        self.read_as(kind, &stored)
    }

    fn read_as(&self, kind: &Kind, stored: &Manifest) -> Manifest {
        match kind.is_stored_version() {
            true => stored.clone(),
            false => convert(stored, &kind.gvk),
        }
    }

    /// Removes an object and lets the controllers know.
    pub(crate) fn erase(&mut self, kind: &Kind, namespace: &str, name: &str) -> Option<Manifest> {
        let removed = self.store.remove(&kind.stored, namespace, name)?;
        self.observe_removal(kind, &removed);
        Some(convert(&removed, &kind.gvk))
    }

    /// A 64-bit number that has not been given out yet, from the seed and the count.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.counter += 1;
        mix(self
            .seed
            .wrapping_add(self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A version 4 UUID that is the same in every run.
    pub(crate) fn next_uid(&mut self) -> String {
        let high = self.next_number();
        let low = mix(high ^ self.counter);
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0x0fff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// A name behind a prefix, as the API server generates it.
    pub(crate) fn generated_name(&mut self, prefix: &str) -> String {
        const LIMIT: usize = 63 - 5;
        let mut end = prefix.len().min(LIMIT);
        while !prefix.is_char_boundary(end) {
            end -= 1;
        }
        let number = self.next_number();
        format!("{}{}", &prefix[..end], safe_text(number, 5))
    }

    /// By the identity under which it is stored.
    pub(crate) fn stored(&self, id: &ObjectId) -> Option<&Manifest> {
        self.store.get(&id.group_kind(), &id.namespace, &id.name)
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<&Manifest> {
        self.store.get(&GroupKind::new("", "Namespace"), "", name)
    }
}

/// An event as one watch sees it, whose filter the object may have entered or left.
pub(crate) fn seen_by(filter: &Filter, event: &Event) -> Option<Seen> {
    let is_match = filter.matches(&event.object);
    let was_match = event
        .previous
        .as_ref()
        .is_some_and(|previous| filter.matches(previous));
    match (event.deleted, was_match, is_match) {
        (true, true, _) => Some(Seen::Deleted),
        (true, false, _) | (false, false, false) => None,
        (false, false, true) => Some(Seen::Added),
        (false, true, true) => Some(Seen::Modified),
        (false, true, false) => Some(Seen::Deleted),
    }
}

/// How a watch sees an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Added,
    Modified,
    Deleted,
}

/// The last step of splitmix64.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Text without vowels and look-alikes, as in names that Kubernetes generates.
pub(crate) fn safe_text(mut number: u64, length: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut text = String::with_capacity(length);
    for _ in 0..length {
        text.push(char::from(
            ALPHABET[(number % ALPHABET.len() as u64) as usize],
        ));
        number /= ALPHABET.len() as u64;
    }
    text
}
