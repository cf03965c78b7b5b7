//! Cluster IPs and node ports of Services.

use gitops_core::Manifest;
use serde_json::{Map, Value, json};

use super::{
    server::{Server, mix},
    status::{ApiError, FieldError},
    strategy::hash,
};

impl Server {
    /// Gives a service its cluster IP and node ports, and refuses those that are taken.
    pub(crate) fn allocate(
        &mut self,
        object: &mut Manifest,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let name = object.name().to_owned();
        let number = mix(self.seed ^ hash(&format!("{}/{name}", object.namespace())));
        let Some(spec) = object
            .as_map_mut()
            .get_mut("spec")
            .and_then(Value::as_object_mut)
        else {
            return Ok(());
        };
        let service_type = spec
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if service_type == "ExternalName" {
            return Ok(());
        }
        let wanted = spec
            .get("clusterIP")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let ip = match wanted.as_str() {
            "None" => "None".to_owned(),
            "" => {
                let taken = |candidate: u32| self.addresses.contains(&candidate);
                // 10.96.0.0/12 as kubeadm has it, without its first addresses.
                let (base, size) = (0x0a60_0000_u32, 1_u32 << 20);
                let mut offset = (number as u32) % (size - 512) + 256;
                while taken(base + offset) {
                    offset = offset % (size - 256) + 256;
                }
                let address = base + offset;
                if !dry_run {
                    self.addresses.insert(address);
                }
                std::net::Ipv4Addr::from(address).to_string()
            }
            given => {
                if let Ok(address) = given.parse::<std::net::Ipv4Addr>() {
                    let is_new = self.addresses.insert(address.into());
                    if dry_run && is_new {
                        self.addresses.remove(&address.into());
                    }
                    if !is_new {
                        return Err(ApiError::invalid(
                            "",
                            "Service",
                            &name,
                            &[FieldError::invalid(
                                "spec.clusterIPs",
                                &json!([given]),
                                &format!(
                                    "failed to allocate IP {given}: provided IP is already allocated"
                                ),
                            )],
                        ));
                    }
                }
                given.to_owned()
            }
        };
        spec.insert("clusterIP".to_owned(), ip.clone().into());
        if self.minor >= 20 {
            spec.insert("clusterIPs".to_owned(), json!([ip]));
            let is_bare = ip == "None"
                && spec
                    .get("selector")
                    .and_then(Value::as_object)
                    .is_none_or(Map::is_empty);
            let (families, policy) = if is_bare {
                (json!(["IPv4", "IPv6"]), "RequireDualStack")
            } else {
                (json!(["IPv4"]), "SingleStack")
            };
            spec.entry("ipFamilies").or_insert(families);
            spec.entry("ipFamilyPolicy")
                .or_insert_with(|| policy.into());
        }
        self.allocate_ports(&name, &service_type, spec, number, dry_run)
    }

    /// Node ports for the ports that need one and have none.
    pub(crate) fn allocate_ports(
        &mut self,
        name: &str,
        service_type: &str,
        spec: &mut Map<String, Value>,
        number: u64,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let needs = match service_type {
            "NodePort" => true,
            "LoadBalancer" => {
                spec.get("allocateLoadBalancerNodePorts")
                    .and_then(Value::as_bool)
                    != Some(false)
            }
            _ => false,
        };
        if !needs {
            return Ok(());
        }
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        let mut made = Vec::new();
        for (index, port) in ports
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
            .enumerate()
        {
            if let Some(given) = port
                .get("nodePort")
                .and_then(Value::as_u64)
                .filter(|p| *p != 0)
            {
                let valid = u16::try_from(given)
                    .ok()
                    .filter(|p| (30000..=32767).contains(p));
                let Some(given) = valid else {
                    return Err(ApiError::invalid(
                        "",
                        "Service",
                        name,
                        &[FieldError::invalid(
                            format!("spec.ports[{index}].nodePort"),
                            &given.into(),
                            "provided port is not in the valid range. The range of valid ports is 30000-32767",
                        )],
                    ));
                };
                if !self.ports.insert(given) {
                    return Err(ApiError::invalid(
                        "",
                        "Service",
                        name,
                        &[FieldError::invalid(
                            format!("spec.ports[{index}].nodePort"),
                            &given.into(),
                            "provided port is already allocated",
                        )],
                    ));
                }
                made.push(given);
                continue;
            }
            let mut candidate = 30000 + (mix(number.wrapping_add(index as u64)) % 2768) as u16;
            while !self.ports.insert(candidate) {
                candidate = if candidate == 32767 {
                    30000
                } else {
                    candidate + 1
                };
            }
            made.push(candidate);
            port.insert("nodePort".to_owned(), candidate.into());
        }
        if dry_run {
            made.iter().for_each(|port| {
                self.ports.remove(port);
            });
        }
        Ok(())
    }

    /// Takes the addresses of an existing service as used, or as free again.
    pub(crate) fn note_addresses(&mut self, service: &Manifest, in_use: bool) {
        let address = service
            .pointer("/spec/clusterIP")
            .and_then(Value::as_str)
            .and_then(|ip| ip.parse::<std::net::Ipv4Addr>().ok());
        if let Some(address) = address {
            if in_use {
                self.addresses.insert(address.into());
            } else {
                self.addresses.remove(&address.into());
            }
        }
        let ports = service.pointer("/spec/ports").and_then(Value::as_array);
        for port in ports.into_iter().flatten() {
            if let Some(port) = port
                .get("nodePort")
                .and_then(Value::as_u64)
                .and_then(|p| u16::try_from(p).ok())
            {
                if in_use {
                    self.ports.insert(port);
                } else {
                    self.ports.remove(&port);
                }
            }
        }
    }

    /// As [`Server::allocate`], for a service that has addresses already.
    pub(crate) fn reallocate(
        &mut self,
        new: &mut Manifest,
        live: &Manifest,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        fn field<'o>(object: &'o Manifest, name: &str) -> Option<&'o Value> {
            object.as_map().get("spec")?.get(name)
        }
        fn node_ports(object: &Manifest) -> Vec<Option<&Value>> {
            let ports = field(object, "ports").and_then(Value::as_array);
            let ports = ports.into_iter().flatten();
            ports.map(|port| port.get("nodePort")).collect()
        }
        let stays = |name| field(new, name) == field(live, name);
        let has_node_ports = matches!(
            field(new, "type").and_then(Value::as_str),
            Some("NodePort" | "LoadBalancer")
        );
        let same_ports = || {
            let addresses = ["clusterIPs", "ipFamilies", "ipFamilyPolicy"];
            stays("ports")
                || !has_node_ports
                    && node_ports(new) == node_ports(live)
                    && addresses.into_iter().all(stays)
        };
        if stays("type") && stays("clusterIP") && same_ports() {
            return Ok(());
        }
        self.note_addresses(live, false);
        if field(new, "type").and_then(Value::as_str) == Some("ExternalName")
            && let Some(spec) = new
                .as_map_mut()
                .get_mut("spec")
                .and_then(Value::as_object_mut)
        {
            for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                spec.remove(key);
            }
        }
        let done = self.allocate(new, dry_run);
        if dry_run || done.is_err() {
            self.note_addresses(live, true);
        }
        done
    }
}

/// A replace that leaves out what the server had allocated keeps it.
pub(super) fn keep_addresses(new: &mut Manifest, old: &Manifest) {
    let is_external =
        |o: &Manifest| o.pointer("/spec/type").and_then(Value::as_str) == Some("ExternalName");
    if is_external(old) || is_external(new) {
        return;
    }
    let Some(old_spec) = old.as_map().get("spec").and_then(Value::as_object) else {
        return;
    };
    let Some(spec) = new
        .as_map_mut()
        .get_mut("spec")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    for key in [
        "clusterIP",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
        "healthCheckNodePort",
    ] {
        let is_missing = match spec.get(key) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(_) => false,
        };
        if is_missing && let Some(value) = old_spec.get(key) {
            spec.insert(key.to_owned(), value.clone());
        }
    }
    // A changed clusterIP without clusterIPs, and the other way round, is one change.
    if spec.get("clusterIP") != old_spec.get("clusterIP")
        && spec.get("clusterIPs") == old_spec.get("clusterIPs")
        && let Some(ip) = spec.get("clusterIP").cloned()
        && spec.contains_key("clusterIPs")
    {
        spec.insert("clusterIPs".to_owned(), json!([ip]));
    }
    let needs_ports = matches!(
        spec.get("type").and_then(Value::as_str),
        Some("NodePort" | "LoadBalancer")
    );
    let old_ports = old_spec
        .get("ports")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        if needs_ports
            && !port.contains_key("nodePort")
            && let Some(known) = old_ports.iter().find(|old| {
                old.get("port") == port.get("port") && old.get("protocol") == port.get("protocol")
            })
            && let Some(number) = known.get("nodePort")
        {
            port.insert("nodePort".to_owned(), number.clone());
        } else if !needs_ports && old_spec.get("type").and_then(Value::as_str) != Some("ClusterIP")
        {
            port.remove("nodePort");
        }
    }
}

/// A service that changes its type loses the fields that only the old type has.
pub(super) fn drop_what_the_type_has_not(new: &mut Manifest, old: &Manifest) {
    let of = |o: &Manifest| {
        o.pointer("/spec/type")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let (Some(new_type), Some(old_type)) = (of(new), of(old)) else {
        return;
    };
    if new_type == old_type {
        return;
    }
    let old_spec = old.as_map().get("spec").cloned().unwrap_or_default();
    let Some(spec) = new
        .as_map_mut()
        .get_mut("spec")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    let mut lost: Vec<&str> = Vec::new();
    if !matches!(new_type.as_str(), "NodePort" | "LoadBalancer") {
        lost.extend(["externalTrafficPolicy", "healthCheckNodePort"]);
    }
    if new_type != "LoadBalancer" {
        lost.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if new_type == "ExternalName" {
        lost.push("internalTrafficPolicy");
    }
    for key in lost {
        if spec.get(key) == old_spec.get(key) {
            spec.remove(key);
        }
    }
}
