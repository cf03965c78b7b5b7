//! Packs of whole objects (gitformat-pack, version 2).

use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};
use gix::ObjectId;

use crate::store::Kind;

/// An object that is not in any database yet.
#[derive(Debug, Clone)]
pub(crate) struct NewObject {
    pub(crate) id: ObjectId,
    pub(crate) kind: Kind,
    pub(crate) data: Vec<u8>,
}

impl NewObject {
    /// Names `data`; `None` where SHA-1 finds a collision attack in it.
    pub(crate) fn new(kind: Kind, data: Vec<u8>) -> Option<Self> {
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, &data).ok()?;
        Some(Self { id, kind, data })
    }
}

/// A pack under construction. The number of objects must be known at the start.
pub(crate) struct PackWriter<W: std::io::Write> {
    out: W,
    hasher: gix::hash::Hasher,
}

impl<W: std::io::Write> PackWriter<W> {
    pub(crate) fn new(out: W, objects: u32) -> std::io::Result<Self> {
        let mut this = Self {
            out,
            hasher: gix::hash::hasher(gix::hash::Kind::Sha1),
        };
        this.write(b"PACK")?;
        this.write(&2_u32.to_be_bytes())?;
        this.write(&objects.to_be_bytes())?;
        Ok(this)
    }

    pub(crate) fn object(&mut self, kind: Kind, data: &[u8]) -> std::io::Result<()> {
        let type_bits: u8 = match kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        let mut header = Vec::with_capacity(10);
        let mut size = data.len() as u64;
        let mut byte = (type_bits << 4) | (size & 0x0f) as u8;
        size >>= 4;
        while size > 0 {
            header.push(byte | 0x80);
            byte = (size & 0x7f) as u8;
            size >>= 7;
        }
        header.push(byte);
        self.write(&header)?;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data)?;
        let compressed = encoder.finish()?;
        self.write(&compressed)
    }

    pub(crate) fn finish(mut self) -> std::io::Result<W> {
        let digest = self
            .hasher
            .try_finalize()
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        self.out.write_all(digest.as_slice())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }
}

/// A pack of these objects, in memory.
pub(crate) fn pack(objects: &[NewObject]) -> Vec<u8> {
    let write = || {
        let count = u32::try_from(objects.len()).map_err(std::io::Error::other)?;
        let mut writer = PackWriter::new(Vec::new(), count)?;
        for object in objects {
            writer.object(object.kind, &object.data)?;
        }
        writer.finish()
    };
    write().expect("writing to memory does not fail")
}
