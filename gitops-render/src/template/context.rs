//! What a running template and its functions can reach: the host, limits, the call site.

use super::{
    error::CallError, exec::State, host::Host, options::EngineOptions, program::Program, text::Str,
    value::Value,
};

/// The state of a render, as functions see it.
pub struct Context<'r> {
    pub(super) program: &'r Program,
    pub(super) host: &'r mut Host,
    pub(super) state: State,
}

impl Context<'_> {
    /// The options of the engine.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        self.program.options()
    }

    /// The world outside of the templates.
    pub fn host(&mut self) -> &mut Host {
        self.host
    }

    /// Pays for work of a size, in steps; fails when the render's fuel is used up. Functions whose
    /// work is not bounded by the size of their arguments call it first.
    pub fn spend(&mut self, steps: u64) -> Result<(), CallError> {
        self.host.spend(steps)
    }

    /// Fails if a text of so many bytes is not allowed. To be called before it is made.
    pub fn allow_bytes(&mut self, bytes: usize) -> Result<(), CallError> {
        let allowed = self.host.limits().output_bytes;
        if bytes as u64 > allowed {
            return Err(CallError::limit("output_bytes", allowed));
        }
        self.host.spend(bytes as u64 / 64)
    }

    /// Fails if a list of so many items is not allowed. To be called before it is made.
    pub fn allow_items(&mut self, items: usize) -> Result<(), CallError> {
        let allowed = self.host.limits().list_items;
        if items as u64 > allowed {
            return Err(CallError::limit("list_items", allowed));
        }
        self.host.spend(items as u64 / 8)
    }

    /// Fills a buffer with random bytes from the host's source.
    pub fn random(&mut self, buffer: &mut [u8]) -> Result<(), CallError> {
        self.host.random(buffer)
    }

    /// The result of a random function at this call site: that of an earlier render where the
    /// host remembers one, else what `make` gives, which is remembered then. A function may call
    /// it more than once, always in the same order.
    pub fn remembered(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<Str, CallError>,
    ) -> Result<Str, CallError> {
        if !self.host.remembers() {
            return make(self);
        }
        let site = self.call_site();
        let key = self.host.next_occurrence(&site);
        if let Some(text) = self.host.recall(&key) {
            return Ok(text);
        }
        let text = make(self)?;
        self.host.remember(key, &text);
        Ok(text)
    }

    /// Executes a text with the templates around it, as `tpl` does.
    pub fn tpl(&mut self, text: &Str, data: Value) -> Result<Str, CallError> {
        self.execute_text(text, data)
    }

    /// Executes a named template, as `include` does.
    pub fn include(&mut self, name: &Str, data: Value) -> Result<Str, CallError> {
        self.execute_named(name, data)
    }
}
