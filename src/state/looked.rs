//! How far a preview has come: which hosts have not answered yet, which have been looked at to the end.

use std::collections::HashMap;

use crate::model::event::{Event, EventKind};
use crate::model::id::{HostName, StepId};
use crate::state::places::Places;

/// The hosts of a run by what the preview knows of them; a host is known by its place in run order, from 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looked {
    places: HashMap<HostName, usize>,
    names: Vec<HostName>,
    last: Option<StepId>,
    silent: Places,
    down: Places,
    done: Places,
}

impl Looked {
    /// Takes one more event in.
    pub fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunPlanned { hosts, steps, .. } => {
                let mut silent = Places::default();
                for place in 0..hosts.len() {
                    silent.add(place);
                }
                *self = Self {
                    places: hosts.iter().cloned().enumerate().map(|(place, name)| (name, place)).collect(),
                    names: hosts.clone(),
                    last: steps.last().map(|step| step.id.clone()),
                    silent,
                    ..Self::default()
                };
            }
            EventKind::HostConnected { host, .. } => {
                let Some(place) = self.places.get(host).copied() else { return };
                self.silent.remove(place);
                self.down.remove(place);
            }
            EventKind::HostReach { host, state, .. } => {
                let Some(place) = self.places.get(host).copied() else { return };
                self.silent.remove(place);
                if state == "down" {
                    self.down.add(place);
                }
            }
            EventKind::PreviewStep { host, step, .. } => {
                let Some(place) = self.places.get(host).copied() else { return };
                self.silent.remove(place);
                if Some(step) == self.last.as_ref() {
                    self.done.add(place);
                }
            }
            _ => {}
        }
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.names.len()
    }

    /// How many have answered, or are known not to.
    pub fn answered(&self) -> usize {
        self.names.len() - self.silent.len()
    }

    /// How many cannot be reached.
    pub fn down(&self) -> usize {
        self.down.len()
    }

    /// How many have been looked at to the end, or cannot be.
    pub fn done(&self) -> usize {
        self.done.len() + self.down.len()
    }

    /// Some of the hosts of which nothing was heard yet, in run order.
    pub fn silent(&self, count: usize) -> Vec<HostName> {
        self.silent.from(0).take(count).filter_map(|place| self.names.get(place).cloned()).collect()
    }
}
