//! Hosts whose clocks are years away.

use runbook::engine::world::Session;
use serde_json::json;

use super::Visit;
use crate::harness::place::Odd;

#[tokio::test]
async fn a_clock_that_is_years_away_is_measured_and_decides_nothing() {
    const YEAR: i64 = 31_557_600;
    for (years, format) in [(30, "%s%N"), (-50, "%s%N"), (30, "%sN"), (-50, "%s"), (0, "%s%N")] {
        let off = years * YEAR;
        // without %N it is busybox or a BSD
        let date = format!(
            "mkdir \"$DIR/fake\"; printf '%s\\n' '#!/bin/dash' 'n=$(/usr/bin/date +%s); n=$((n + {off}))' 'case $1 in \
             +%s%N) exec /usr/bin/date -d \"@$n\" \"+{format}\";; *) exec /usr/bin/date -d \"@$n\" \"$@\";; esac' >\"$DIR/fake/date\"; chmod 755 \"$DIR/fake/date\""
        );
        let place = Odd::default().before(&date).env("PATH", "$DIR/fake:/usr/bin:/bin").home("app.log", "x\n").start();
        let mut visit = Visit::to(&place, "root").await;
        let skew = visit.target.facts.skew_ms - off * 1000;
        assert!(skew.abs() < 60_000, "{years} years, {format}: {}", visit.target.facts.skew_ms);
        let line = visit.look("port", &json!({ "port": 1 })).await;
        assert!(line.starts_with("holds free"), "{line}");
        // how old a file is, is told by the clock that wrote it
        let line = visit.look("file", &json!({ "path": "~/app.log", "max_age": "1d" })).await;
        let want = if years > 0 {
            "not-yet too-old"
        } else if years < 0 {
            "not-yet future"
        } else {
            "holds fits"
        };
        assert!(line.starts_with(want) || line.starts_with("unreadable"), "{years}: {line}");
        visit.session.close().await;
    }
}
