//! What engines say, in their dialects.

use serde_json::{Value, json};

use super::{Container, Dialect};

/// An event about a container.
pub(super) fn event(container: &Container, action: &str, more: Value, dialect: Dialect) -> Value {
    let action = match action {
        "die" if dialect.podman => "died",
        "health_status" if !dialect.podman => &format!("health_status: {}", container.health),
        action => action,
    };
    let flat = json!({"status": action, "id": container.id, "from": "image", "time": 1});
    if dialect.version < 22 {
        return flat;
    }
    let mut attributes = json!({"image": "image", "name": container.name});
    merge(&mut attributes, json!(container.labels));
    merge(&mut attributes, more);
    let mut event = json!({
        "Type": "container", "Action": action, "scope": "local", "time": 1, "timeNano": 1,
        "Actor": {"ID": container.id, "Attributes": attributes},
    });
    if dialect.version < 52 {
        merge(&mut event, flat);
    }
    event
}

/// An event about a container's connection to a network.
pub(super) fn network_event(
    container: &str,
    action: &str,
    network: &str,
    dialect: Dialect,
) -> Value {
    let actor = match dialect.podman {
        true => json!({"ID": container, "Attributes": {"name": network}}),
        false => json!({"ID": network_id(network), "Attributes":
            {"container": container, "name": network, "type": "bridge"}}),
    };
    json!({"Type": "network", "Action": action, "Actor": actor, "time": 1})
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

fn network_id(name: &str) -> String {
    format!("net-{name}")
}

/// A network. All of them lie in the loopback's, so that tests can be clients with their addresses;
/// the machine may have another address in it.
pub(super) fn network(name: &str, gateway: Option<&str>) -> Value {
    json!({"Id": network_id(name), "Name": name, "Driver": "bridge",
        "IPAM": {"Config": [{"Subnet": "127.0.0.0/8", "Gateway": gateway.unwrap_or("127.0.0.1")}]}})
}

/// A container in a list.
pub(super) fn summary(container: &Container) -> Value {
    let state = if container.paused {
        "paused"
    } else {
        "running"
    };
    let networks = container.networks.iter().map(|(name, attached)| {
        let settings = json!({"NetworkID": network_id(name), "IPAddress": attached.address});
        (name.clone(), settings)
    });
    json!({"Id": container.id, "Names": [format!("/{}", container.name)], "State": state,
        "Labels": container.labels,
        "NetworkSettings": {"Networks": networks.collect::<serde_json::Map<_, _>>()}})
}

/// A container that is inspected.
pub(super) fn detail(container: &Container, dialect: Dialect) -> Value {
    let short = &container.id[..12];
    let networks = container.networks.iter().map(|(name, attached)| {
        let mut aliases = attached.aliases.clone();
        let mut names = vec![container.name.clone()];
        names.extend(aliases.clone());
        if dialect.version < 45 {
            aliases.push(short.into());
        }
        let mut settings = json!({"NetworkID": network_id(name), "IPAddress": attached.address,
            "GlobalIPv6Address": "", "Aliases": aliases});
        if dialect.version >= 44 {
            merge(&mut settings, json!({"DNSNames": names}));
        }
        (name.clone(), settings)
    });
    let ports = container.published.iter().map(|(port, host_port)| {
        let bindings = json!([{"HostIp": "0.0.0.0", "HostPort": host_port.to_string()}]);
        (format!("{port}/tcp"), bindings)
    });
    let ports: serde_json::Map<_, _> = ports.collect();
    let mut settings =
        json!({"Networks": networks.collect::<serde_json::Map<_, _>>(), "Ports": ports});
    if dialect.version < 52 {
        merge(&mut settings, json!({"IPAddress": ""}));
    }
    let mut state = json!({"Running": true, "Paused": container.paused});
    if !container.health.is_empty() {
        let health = json!({"Status": container.health});
        let field = if dialect.podman {
            "Healthcheck"
        } else {
            "Health"
        };
        merge(&mut state, json!({field: health}));
    }
    let created = format!("2026-01-01T00:00:00.{:09}Z", container.created);
    json!({"Id": container.id, "Name": format!("/{}", container.name), "Created": created,
        "State": state,
        "Config": {"Hostname": container.hostname, "Domainname": "", "Image": "image",
            "Labels": container.labels, "Env": container.environment},
        "HostConfig": {"NetworkMode": container.mode},
        "NetworkSettings": settings})
}
