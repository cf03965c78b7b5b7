//! Keeping a store small: the commits used last are written into one pack, everything else goes.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use gix::ObjectId;

use super::{Kind, Objects, Store, mirror::index_pack};
use crate::{error::GitError, write::pack::PackWriter};

/// What a store may grow to before it is collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// Packs; each costs an open file.
    pub(crate) packs: usize,
    /// Commits kept.
    pub(crate) commits: usize,
}

impl Store {
    /// Whether the store has outgrown its budget.
    pub(crate) fn is_over(&self, budget: &Budget) -> Result<bool, GitError> {
        let (packs, bytes) = self.size()?;
        Ok(packs > budget.packs || bytes > budget.bytes)
    }

    /// Packs and their bytes.
    pub(crate) fn size(&self) -> Result<(usize, u64), GitError> {
        let mut packs = 0;
        let mut bytes = 0;
        for path in self.pack_files()? {
            if let Ok(data) = fs::metadata(&path) {
                bytes += data.len();
            }
            packs += usize::from(
                path.extension()
                    .is_some_and(|extension| extension == "pack"),
            );
        }
        Ok((packs, bytes))
    }

    /// Keeps `used` and, as far as the budget allows, the commits used last. Whatever point this is
    /// stopped at, the store is usable and holds what its marks say.
    pub(crate) fn collect(&self, budget: &Budget, used: &[ObjectId]) -> Result<(), GitError> {
        let objects = self.objects()?;
        let tips = self.tips()?;
        let mut seen = HashSet::new();
        let mut order = Vec::new();
        let mut kept = Vec::new();
        let mut bytes = 0;
        for tip in used
            .iter()
            .chain(tips.iter().filter(|tip| !used.contains(tip)))
        {
            let needed = used.contains(tip) || kept.is_empty();
            if !needed && (kept.len() >= budget.commits || bytes > budget.bytes / 2) {
                break;
            }
            if !self.has_tip(tip) {
                continue;
            }
            bytes += reach(&objects, *tip, &mut seen, &mut order)?;
            kept.push(*tip);
        }
        let old: Vec<PathBuf> = self.pack_files()?;
        let new = self.write_pack(&objects, &order)?;
        // From here on the parents of what is kept may be missing: say so before they are.
        let mut shallow = self.shallow()?;
        let mut commits = std::collections::BTreeSet::new();
        for tip in &kept {
            if let Some((Kind::Commit, commit)) = objects.peel(tip)? {
                commits.insert(commit);
            }
        }
        shallow.extend(&commits);
        self.set_shallow(&shallow)?;
        for tip in tips.iter().filter(|tip| !kept.contains(tip)) {
            self.unmark_tip(tip)?;
        }
        // Without its index a pack is not looked at, so indices go first.
        let (indices, packs): (Vec<_>, Vec<_>) = old
            .into_iter()
            .filter(|path| path.file_stem() != new.as_deref().and_then(Path::file_stem))
            .partition(|path| path.extension().is_some_and(|extension| extension == "idx"));
        for path in indices.iter().chain(&packs) {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(GitError::store(path, error));
                }
                _ => {}
            }
        }
        self.set_shallow(&commits)
    }

    /// Writes the objects into one pack and returns its path; nothing where there are none.
    fn write_pack(
        &self,
        objects: &Objects,
        order: &[ObjectId],
    ) -> Result<Option<PathBuf>, GitError> {
        if order.is_empty() {
            return Ok(None);
        }
        let temporary = self.path().join("collected.pack.new");
        let failed = |error| GitError::store(&temporary, error);
        let count = u32::try_from(order.len()).map_err(|error| failed(io::Error::other(error)))?;
        let file = io::BufWriter::new(fs::File::create(&temporary).map_err(failed)?);
        let mut writer = PackWriter::new(file, count).map_err(failed)?;
        for id in order {
            let (kind, data) = objects
                .read(id)?
                .ok_or_else(|| objects.corrupt(&format!("the object {id} is missing")))?;
            writer.object(kind, &data).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        let mut reader = io::BufReader::new(fs::File::open(&temporary).map_err(failed)?);
        let written = index_pack(
            &mut reader,
            &self.path().join("objects/pack"),
            None,
            self.object_size(),
            &AtomicBool::new(false),
            self.url(),
        );
        let _ = fs::remove_file(&temporary);
        written
    }

    fn pack_files(&self) -> Result<Vec<PathBuf>, GitError> {
        let dir = self.path().join("objects/pack");
        let failed = |error| GitError::store(&dir, error);
        let mut files = Vec::new();
        for entry in fs::read_dir(&dir).map_err(failed)? {
            files.push(entry.map_err(failed)?.path());
        }
        Ok(files)
    }
}

/// Adds everything that a commit (or tag) needs; returns the bytes of what is new.
fn reach(
    objects: &Objects,
    tip: ObjectId,
    seen: &mut HashSet<ObjectId>,
    order: &mut Vec<ObjectId>,
) -> Result<u64, GitError> {
    let mut bytes = 0;
    let mut todo = vec![tip];
    while let Some(id) = todo.pop() {
        if id.is_empty_tree() || !seen.insert(id) {
            continue;
        }
        let Some((kind, size)) = objects.header(&id)? else {
            return Err(objects.corrupt(&format!("the object {id} is missing")));
        };
        bytes += size;
        order.push(id);
        if kind == Kind::Blob {
            continue;
        }
        let Some((_, data)) = objects.read(&id)? else {
            return Err(objects.corrupt(&format!("the object {id} is missing")));
        };
        let hash = gix::hash::Kind::Sha1;
        match kind {
            Kind::Commit => todo.push(
                gix::objs::CommitRefIter::from_bytes(&data, hash)
                    .tree_id()
                    .map_err(|error| objects.corrupt(&error))?,
            ),
            Kind::Tag => todo.push(
                gix::objs::TagRefIter::from_bytes(&data, hash)
                    .target_id()
                    .map_err(|error| objects.corrupt(&error))?,
            ),
            Kind::Tree => {
                for entry in gix::objs::TreeRefIter::from_bytes(&data, hash) {
                    let entry = entry.map_err(|error| objects.corrupt(&error))?;
                    if !entry.mode.is_commit() {
                        todo.push(entry.oid.to_owned());
                    }
                }
            }
            Kind::Blob => {}
        }
    }
    Ok(bytes)
}
