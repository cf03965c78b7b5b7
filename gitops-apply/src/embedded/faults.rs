//! Faults on purpose: what a client of a cluster must live with.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    journal::{Request, RequestVerb},
    status::{ApiError, Reason},
};

/// A fault that requests run into; see [`EmbeddedCluster::inject`](super::EmbeddedCluster::inject).
#[derive(Clone)]
pub struct Fault {
    kind: FaultKind,
    /// How often it strikes; `None` for ever.
    left: Option<u32>,
    /// It strikes each n-th matching request.
    every: u32,
    met: u32,
    matches: Option<Matcher>,
}

type Matcher = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("kind", &self.kind)
            .field("left", &self.left)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The request takes longer, by the cluster's clock.
    Latency(Duration),
    /// 409: somebody else changed the object.
    Conflict,
    /// 422: the object is refused.
    Invalid(String),
    /// 429: too many requests, with the time to wait.
    Throttled(Option<Duration>),
    /// 500: internal error.
    Internal(String),
    /// 503: not available.
    Unavailable,
    /// 504: timeout.
    Timeout,
    /// A watch ends without an error after this many events.
    DroppedWatch(u32),
}

impl Fault {
    /// A fault that strikes every request.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            left: None,
            every: 1,
            met: 0,
            matches: None,
        }
    }

    /// Strikes so many times and is gone then.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// Strikes each `n`-th of the requests that it is for, beginning with the `n`-th.
    #[must_use]
    pub fn every(mut self, n: u32) -> Self {
        self.every = n.max(1);
        self
    }

    /// Is for these requests only.
    #[must_use]
    pub fn on(mut self, matches: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.matches = Some(Arc::new(matches));
        self
    }

    fn strikes(&mut self, request: &Request) -> bool {
        if self.left == Some(0)
            || self
                .matches
                .as_ref()
                .is_some_and(|matches| !matches(request))
        {
            return false;
        }
        self.met += 1;
        if !self.met.is_multiple_of(self.every) {
            return false;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        true
    }
}

/// The faults that are in place.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    /// Watches of an earlier era have ended.
    pub(crate) era: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.list.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn drop_watches(&mut self) {
        self.era += 1;
    }

    /// How long a request is to take.
    pub(crate) fn latency(&mut self, request: &Request) -> Option<Duration> {
        let mut total = None;
        for fault in &mut self.list {
            if let FaultKind::Latency(wait) = fault.kind
                && fault.strikes(request)
            {
                total = Some(total.unwrap_or(Duration::ZERO) + wait);
            }
        }
        total
    }

    /// After how many events a watch ends.
    pub(crate) fn watch_budget(&mut self, request: &Request) -> Option<u32> {
        self.list.iter_mut().find_map(|fault| {
            let FaultKind::DroppedWatch(events) = fault.kind else {
                return None;
            };
            fault.strikes(request).then_some(events)
        })
    }

    /// The refusal that a request runs into.
    pub(crate) fn meet(&mut self, request: &Request) -> Option<ApiError> {
        let fault = self.list.iter_mut().find_map(|fault| {
            let refuses = !matches!(
                fault.kind,
                FaultKind::Latency(_) | FaultKind::DroppedWatch(_)
            );
            (refuses && fault.strikes(request)).then_some(fault)
        })?;
        let (group, kind, name) = (&request.gvk.group, &request.gvk.kind, &request.name);
        Some(match &fault.kind {
            FaultKind::Conflict => ApiError::modified(group, kind, name),
            FaultKind::Invalid(reason) => ApiError::new(422, Reason::Invalid, reason.clone()),
            FaultKind::Throttled(wait) => {
                let mut error = ApiError::new(
                    429,
                    Reason::TooManyRequests,
                    "Too many requests, please try again later.",
                );
                error.retry_after = *wait;
                error
            }
            FaultKind::Internal(reason) => ApiError::new(
                500,
                Reason::InternalError,
                format!("Internal error occurred: {reason}"),
            ),
            FaultKind::Timeout => ApiError::new(
                504,
                Reason::Timeout,
                "Timeout: request did not complete within the allotted timeout",
            ),
            _ => ApiError::new(
                503,
                Reason::ServiceUnavailable,
                "the server is currently unable to handle the request",
            ),
        })
    }

    pub(crate) fn watch_request(kind: &gitops_core::GroupVersionKind) -> Request {
        Request::of(
            RequestVerb::Watch,
            &gitops_core::ObjectRef::new(kind.clone(), "", ""),
        )
    }
}
