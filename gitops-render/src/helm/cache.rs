//! What later renders of a prepared chart use again: compiled templates, documents that come out as
//! before, and the texts of files that are not templates.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

#[cfg(feature = "schema")]
use crate::helm::schema::{Schema, compile};
use crate::{
    helm::{
        HelmError, Profile,
        manifest::{Content, RenderedFile},
    },
    template::{Program, lossy},
};

/// What later renders of a chart can use again.
#[derive(Default)]
pub(crate) struct Cache {
    /// Compiled templates by the paths of all charts: conditions and aliases change those.
    programs: Mutex<HashMap<u64, Arc<Program>>>,
    /// What came out, where later renders may give the same.
    rendered: Option<Rendered>,
    /// Schemas of values by their places in memory, where the chart keeps their texts.
    #[cfg(feature = "schema")]
    schemas: Mutex<HashMap<usize, Arc<Result<Schema, String>>>>,
    /// Texts of files by their places in memory, where the chart keeps them.
    texts: Mutex<HashMap<usize, Arc<str>>>,
}

/// What came out of earlier renders.
#[derive(Default)]
struct Rendered {
    /// Documents that were read.
    documents: Mutex<Generations>,
    /// What templates gave last, by path.
    files: Mutex<HashMap<Arc<str>, Arc<RenderedFile>>>,
}

/// How many sets of subcharts are kept.
const PROGRAMS: usize = 16;

/// How much text of documents a generation holds at least.
const GENERATION_BYTES: usize = 4 << 20;

impl Cache {
    /// A cache that keeps documents too.
    pub(crate) fn with_documents() -> Self {
        Self {
            rendered: Some(Rendered::default()),
            ..Self::default()
        }
    }

    /// The program of these templates, which are named by paths and have contents of the chart.
    pub(crate) fn program<'t>(
        &self,
        templates: impl Iterator<Item = (&'t str, &'t Bytes)> + Clone,
        parse: impl FnOnce() -> Result<Program, HelmError>,
    ) -> Result<Arc<Program>, HelmError> {
        let mut hasher = DefaultHasher::new();
        for (path, data) in templates {
            path.hash(&mut hasher);
            data.as_ptr().hash(&mut hasher);
        }
        let key = hasher.finish();
        if let Some(program) = lock(&self.programs).get(&key) {
            return Ok(program.clone());
        }
        let program = Arc::new(parse()?);
        let mut programs = lock(&self.programs);
        if programs.len() >= PROGRAMS {
            programs.clear();
        }
        programs.insert(key, program.clone());
        Ok(program)
    }

    /// What a template gave last, if that is this text.
    pub(crate) fn file(&self, path: &str, text: &[u8]) -> Option<Arc<RenderedFile>> {
        let known = lock(&self.rendered.as_ref()?.files).get(path).cloned();
        known.filter(|known| known.text().as_bytes() == text)
    }

    /// Notes what a template gave.
    pub(crate) fn keep(&self, path: &Arc<str>, file: &Arc<RenderedFile>) {
        if let Some(rendered) = &self.rendered {
            lock(&rendered.files).insert(path.clone(), file.clone());
        }
    }

    /// The document in a part of a rendered file: an earlier one of the same text is not read again.
    pub(crate) fn document(
        &self,
        file: &Arc<String>,
        range: std::ops::Range<usize>,
        profile: &Profile,
    ) -> Result<Arc<Content>, String> {
        let Some(Rendered { documents, .. }) = &self.rendered else {
            return Content::read(file, range, profile).map(Arc::new);
        };
        let text = &file[range.clone()];
        let key = fingerprint(text.as_bytes());
        let known = lock(documents).get(key);
        if let Some(known) = known.filter(|known| known.text() == text) {
            return Ok(known);
        }
        // What is kept must not keep much of the rest of the file.
        let content = if 2 * range.len() > file.len() {
            Content::read(file, range, profile)?
        } else {
            let alone = Arc::new(text.to_owned());
            Content::read(&alone, 0..alone.len(), profile)?
        };
        let content = Arc::new(content);
        lock(documents).insert(key, content.clone());
        Ok(content)
    }

    /// Notes how much text a render gave, so that a generation holds all of it.
    pub(crate) fn rendered(&self, bytes: usize) {
        if let Some(Rendered { documents, .. }) = &self.rendered {
            let mut documents = lock(documents);
            documents.allowed = documents.allowed.max(2 * bytes);
        }
    }

    /// A schema of the chart that was read.
    #[cfg(feature = "schema")]
    pub(crate) fn schema(&self, data: &Bytes) -> Arc<Result<Schema, String>> {
        let key = data.as_ptr().addr();
        if let Some(schema) = lock(&self.schemas).get(&key) {
            return schema.clone();
        }
        let schema = Arc::new(compile(data));
        lock(&self.schemas).insert(key, schema.clone());
        schema
    }

    /// The text of a file of the chart.
    pub(crate) fn text(&self, data: &Bytes) -> Arc<str> {
        let mut texts = lock(&self.texts);
        let text = texts.entry(data.as_ptr().addr());
        text.or_insert_with(|| lossy(data).into()).clone()
    }
}

/// Documents by their fingerprints, in two generations. Those that are used live on in the young
/// one; what was not used while that filled up is dropped with the old one.
#[derive(Default)]
struct Generations {
    young: HashMap<u64, Arc<Content>>,
    old: HashMap<u64, Arc<Content>>,
    bytes: usize,
    allowed: usize,
}

impl Generations {
    fn get(&mut self, key: u64) -> Option<Arc<Content>> {
        if let Some(content) = self.young.get(&key) {
            return Some(content.clone());
        }
        let content = self.old.remove(&key)?;
        self.insert(key, content.clone());
        Some(content)
    }

    fn insert(&mut self, key: u64, content: Arc<Content>) {
        self.bytes += content.text().len();
        if self.bytes > self.allowed.max(GENERATION_BYTES) {
            self.old = std::mem::take(&mut self.young);
            self.bytes = content.text().len();
        }
        self.young.insert(key, content);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A quick hash. Texts of equal fingerprints are compared, so that none is taken for another.
fn fingerprint(bytes: &[u8]) -> u64 {
    const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let mut hash = fold(bytes.len() as u64 ^ FACTORS[0], FACTORS[1]);
    let mut blocks = bytes.chunks_exact(16);
    for block in &mut blocks {
        let (first, second) = block.split_at(8);
        hash = fold(word(first) ^ hash, word(second) ^ FACTORS[1]);
    }
    for rest in blocks.remainder().chunks(8) {
        hash = fold(word(rest) ^ hash, FACTORS[0]);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cache: &Cache, text: &str) -> Arc<Content> {
        let file = Arc::new(text.to_owned());
        let range = 0..text.len();
        let profile = Profile::helm_4_3();
        cache.document(&file, range, &profile).unwrap()
    }

    #[test]
    fn a_document_that_is_used_stays() {
        let cache = Cache::with_documents();
        let filler = "x".repeat(GENERATION_BYTES / 3);
        let kept = read(&cache, "kind: Kept");
        for number in 0..9 {
            read(&cache, &format!("kind: A{number}\ndata: {filler}"));
            assert!(Arc::ptr_eq(&kept, &read(&cache, "kind: Kept")));
        }
        let generations = lock(&cache.rendered.as_ref().unwrap().documents);
        assert!(generations.young.len() + generations.old.len() < 8);
    }

    #[test]
    fn a_file_that_comes_out_as_before_is_known() {
        let cache = Cache::with_documents();
        let profile = Profile::helm_4_3();
        let path: Arc<str> = "web/templates/a.yaml".into();
        let text = "kind: A\n---\nkind: B\n";
        let file = RenderedFile::read(&path, text.to_owned(), &profile, &cache).unwrap();
        let file = Arc::new(file);
        cache.keep(&path, &file);
        let known = cache.file(&path, text.as_bytes()).unwrap();
        assert!(Arc::ptr_eq(&known, &file));
        assert!(cache.file(&path, b"kind: A\n").is_none());
        assert!(
            cache
                .file("web/templates/b.yaml", text.as_bytes())
                .is_none()
        );
        let forgetful = Cache::default();
        forgetful.keep(&path, &file);
        assert!(forgetful.file(&path, text.as_bytes()).is_none());
    }

    #[test]
    fn fingerprints_see_every_byte() {
        let text = [b'a'; 61];
        let mut seen = std::collections::HashSet::from([fingerprint(&text)]);
        for at in 0..text.len() {
            let mut other = text;
            other[at] = b'b';
            assert!(seen.insert(fingerprint(&other)));
            assert!(seen.insert(fingerprint(&text[..at])));
        }
    }
}
