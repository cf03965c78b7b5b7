//! The text of a stream of manifests, as `helm template` prints it, with what is to be written anew.

use gitops_core::{
    Manifest,
    render::{RenderError, Rewrite},
    yaml,
};
use serde_json::Value;

use super::{RemovedApis, Target};

impl RemovedApis {
    /// Migrates every object of a stream of YAML documents. Documents without such objects stay as
    /// they are, byte for byte, and so does what is no manifest.
    ///
    /// # Errors
    /// When a successor requires something that a manifest does not say.
    pub fn migrate_text(
        &self,
        text: &str,
        target: &Target<'_>,
    ) -> Result<(String, Vec<Rewrite>), RenderError> {
        let mut output = String::with_capacity(text.len());
        let mut rewrites = Vec::new();
        let mut document = String::new();
        for line in text.split_inclusive('\n') {
            if line.starts_with("---") {
                self.migrate_document(&document, target, &mut output, &mut rewrites)?;
                document.clear();
            }
            document.push_str(line);
        }
        self.migrate_document(&document, target, &mut output, &mut rewrites)?;
        Ok((output, rewrites))
    }

    fn migrate_document(
        &self,
        document: &str,
        target: &Target<'_>,
        output: &mut String,
        rewrites: &mut Vec<Rewrite>,
    ) -> Result<(), RenderError> {
        let mut values = Vec::new();
        let mut found = Vec::new();
        if let Ok(value) = yaml::from_str(document) {
            self.migrate_value(value, target, &mut values, &mut found)?;
        }
        if found.is_empty() {
            output.push_str(document);
            return Ok(());
        }
        rewrites.extend(found);
        let head: String = document
            .split_inclusive('\n')
            .take_while(|line| line.starts_with("---") || line.starts_with('#'))
            .collect();
        for (index, value) in values.iter().enumerate() {
            match index {
                0 => output.push_str(&head),
                _ => output.push_str("---\n"),
            }
            output.push_str(&yaml::to_string(value));
        }
        Ok(())
    }

    fn migrate_value(
        &self,
        value: Value,
        target: &Target<'_>,
        values: &mut Vec<Value>,
        rewrites: &mut Vec<Rewrite>,
    ) -> Result<(), RenderError> {
        if let Some(Value::Array(items)) = value.get("items")
            && value["kind"]
                .as_str()
                .is_some_and(|kind| kind.ends_with("List"))
        {
            for item in items.clone() {
                self.migrate_value(item, target, values, rewrites)?;
            }
            return Ok(());
        }
        match Manifest::try_from(value.clone()) {
            Ok(manifest) => {
                let migrated = self.migrate(manifest, target)?;
                values.extend(migrated.manifests.into_iter().map(Manifest::into_value));
                rewrites.extend(migrated.rewrites);
            }
            Err(_) => values.push(value),
        }
        Ok(())
    }
}
