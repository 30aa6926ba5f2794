//! A host as the inventory names it, and what it says of itself once connected.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::id::HostName;

/// A host with everything the inventory says about it resolved: nothing is looked up later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name in the inventory.
    pub name: HostName,
    /// Address or DNS name to connect to.
    pub address: String,
    /// TCP port of its sshd.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
    /// If set, the only key that is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<PathBuf>,
    /// Files with known host keys; empty means the user's and the system's files, as OpenSSH.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_hosts: Vec<PathBuf>,
    /// The name to look its key up by, instead of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key_alias: Option<String>,
    /// What the machine must say of itself, or nothing is asked of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Free labels, such as `az-a`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The groups it is in, in file order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether one of its groups is protected (production).
    #[serde(default)]
    pub protected: bool,
    /// Inventory variables: host over group over defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, Value>,
}

/// What a host said of itself when we connected. Every text is hostile until it is used as data only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    /// `uname -s`, such as `Linux`.
    pub os: String,
    /// `uname -m`, such as `x86_64`.
    pub arch: String,
    /// The acting user.
    pub user: String,
    /// Its numeric id.
    pub uid: u32,
    /// Its home directory, absolute.
    pub home: String,
    /// The name the host has for itself.
    pub hostname: String,
    /// Changes at each boot; absent where the host does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// The machine's id; absent where the host does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// Its id at the cloud, such as `i-0a1`; absent where the host does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// How far the host's clock is ahead of ours, in milliseconds.
    pub skew_ms: i64,
    /// Half the round trip in which the skew was measured: the skew is known no better than this.
    pub skew_err_ms: u64,
}
