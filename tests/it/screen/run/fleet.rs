//! A large fleet in the middle of a run: one batch is under way, some hosts have failed.

use runbook::model::id::HostName;
use runbook::model::outcome::{HostOutcome, Outcome};

use crate::screen::story::{Story, host};

/// So many hosts in a batch, but for the canary of five.
pub const BATCH: usize = 50;

pub fn names(count: usize) -> Vec<HostName> {
    (1..=count).map(|n| host(&format!("edge-{n:05}"))).collect()
}

/// Half of the batches are done, one is running: two hosts failed alike, one is unreachable, three are in the precheck, nine in
/// the restart, the others between two steps.
pub fn running(count: usize) -> Story {
    told(count, false)
}

/// The same, but somebody is asked about the two that failed.
pub fn held(count: usize) -> Story {
    told(count, true)
}

fn told(count: usize, asks: bool) -> Story {
    let all = names(count);
    let batches: Vec<&[HostName]> = std::iter::once(&all[..5]).chain(all[5..].chunks(BATCH)).collect();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.len()).collect();
    let mut story = Story::new("81c2d0");
    story.planned(&all, &sizes).later(1.0).confirmed();
    let half = batches.len() / 2;
    for (n, batch) in batches[..half].iter().enumerate() {
        story.batch(n + 1, batches.len(), batch).later(100.0);
        for name in *batch {
            story.later(0.2).host_ended(name, HostOutcome::Ok, 110);
        }
        story.batch_ended(n + 1, &[(HostOutcome::Ok, batch.len())]);
    }
    let batch = batches[half];
    story.batch(half + 1, batches.len(), batch).later(2.0);
    for name in &batch[..12] {
        story.started(name, "precheck").later(0.1);
    }
    for (n, name) in batch[..9].iter().enumerate() {
        story.finished(name, "precheck", Outcome::Ok, "load 1.2, disk 61%");
        story.started(name, "restart").intent(name, "restart", "restart api (id 3)").later(0.5);
        if n < 2 {
            fail(&mut story, name, n, asks);
        }
    }
    story.down(&batch[12], "no-route", "no route to host").host_ended(&batch[12], HostOutcome::Unreachable, 3);
    for name in &batch[13..20] {
        story.started(name, "precheck").finished(name, "precheck", Outcome::Ok, "load 1.2, disk 61%");
    }
    story
}

fn fail(story: &mut Story, name: &HostName, n: usize, asks: bool) {
    let text =
        format!("[PM2][ERROR] Process api errored\nError: listen EADDRINUSE: address already in use :::3000, pid {}\n", 100 + n);
    story.output(name, "restart", &text);
    if n == 1 {
        story.output(name, "restart", "warning: pm2 in-memory version 5.2.0 differs from local 5.3.1\n");
    }
    story.finished(name, "restart", Outcome::Failed, "exit 1: pm2 restart api");
    if asks {
        story.decision(name, "restart");
    } else {
        story.host_ended(name, HostOutcome::Failed, 9);
    }
}
