//! Rules for names, labels and keys.

pub(crate) use gitops_core::names::{
    NameRule, config_key, dns_1035, dns_label, dns_subdomain, label_value, qualified_name,
};
