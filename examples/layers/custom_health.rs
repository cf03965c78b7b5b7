//! A health rule of one's own for a custom resource, with the built-in rules behind it.

#![allow(clippy::print_stdout, reason = "it is a program")]

use gitops_apply::health::ArgoHealth;
use gitops_core::{
    Manifest,
    clock::{Clock as _, SystemClock, Timestamp},
    health::{Health, HealthCheck, HealthError, HealthStatus},
    yaml,
};

type Failure = Box<dyn std::error::Error>;

/// A Promotion is healthy while it is announced in every shop window.
struct PromotionHealth<H>(H);

impl<H: HealthCheck> HealthCheck for PromotionHealth<H> {
    fn assess(&self, object: &Manifest, now: Timestamp) -> Result<Option<Health>, HealthError> {
        if object.group() != "shop.example.com" || object.kind() != "Promotion" {
            return self.0.assess(object, now);
        }
        let number = |pointer| object.pointer(pointer).and_then(|value| value.as_u64());
        let health = match (number("/status/announced"), number("/spec/windows")) {
            (Some(announced), Some(windows)) if announced >= windows => {
                Health::new(HealthStatus::Healthy, "")
            }
            (Some(announced), Some(windows)) => Health::new(
                HealthStatus::Progressing,
                format!("announced in {announced} of {windows} windows"),
            ),
            _ => Health::new(HealthStatus::Progressing, "not announced yet"),
        };
        Ok(Some(health))
    }
}

const OBJECTS: [&str; 2] = [
    "
apiVersion: shop.example.com/v1
kind: Promotion
metadata: {name: summer, namespace: shop}
spec: {windows: 4}
status: {announced: 3}
",
    "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
status: {phase: Bound}
",
];

fn main() -> Result<(), Failure> {
    print!("{}", run()?);
    Ok(())
}

pub(crate) fn run() -> Result<String, Failure> {
    let rules = PromotionHealth(ArgoHealth);
    let mut text = String::new();
    for object in OBJECTS {
        let object = Manifest::try_from(yaml::from_str(object)?)?;
        if let Some(health) = rules.assess(&object, SystemClock.now())? {
            text.push_str(&format!(
                "{}: {:?} {}\n",
                object.id(),
                health.status,
                health.message
            ));
        }
    }
    Ok(text)
}
