use proptest::prelude::*;

use super::{End, Ended, Ending, Message, Over};
use crate::world::ssh::split::KEPT;

const NONCES: [&str; 2] = ["aaaa", "bbbb"];

/// A message that owns its bytes.
#[derive(Debug, Clone)]
enum Owned {
    Out(Vec<u8>),
    Err(Vec<u8>),
    Other(Message<'static>),
}

impl Owned {
    fn borrowed(&self) -> Message<'_> {
        match self {
            Self::Out(bytes) => Message::Out(bytes),
            Self::Err(bytes) => Message::Err(bytes),
            Self::Other(message) => message.clone(),
        }
    }
}

/// Pieces that can be put together to markers, true ones and others.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let marker =
        (0..2_usize, prop::sample::select(vec!["begin", "end 0", "end 0+", "end 3", "end 00", "end cwd", "end", "end 256"]));
    prop_oneof![
        6 => marker.prop_map(|(n, what)| format!("\n{} {what}\n", NONCES[n]).into_bytes()),
        2 => marker_pair(),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"aaaa".to_vec()),
        1 => Just(b" end 0\n".to_vec()),
        1 => Just(vec![b'x'; 3 * KEPT]),
    ]
}

fn marker_pair() -> impl Strategy<Value = Vec<u8>> {
    (0..2_usize, 0..2_u8).prop_map(|(n, status)| format!("\n{0} begin\nx\n{0} end {status}\n", NONCES[n]).into_bytes())
}

fn messages() -> impl Strategy<Value = Vec<Owned>> {
    let other = prop_oneof![
        any::<bool>().prop_map(Message::Answer),
        (0..3_u32).prop_map(Message::Status),
        Just(Message::Signal("KILL".to_owned())),
        Just(Message::Eof),
        Just(Message::Closed),
        Just(Message::Gone),
        Just(Message::Late),
        Just(Message::Abandoned),
    ];
    let one = prop_oneof![
        8 => bytes().prop_map(Owned::Out),
        8 => bytes().prop_map(Owned::Err),
        1 => other.prop_map(Owned::Other),
    ];
    prop::collection::vec(one, 0..24)
}

/// Whether the stream holds the end marker of this nonce with status 0, after its begin marker.
fn says_zero(stream: &[u8], nonce: &str) -> bool {
    let text = String::from_utf8_lossy(stream);
    let Some((_, after)) = text.split_once(&format!("\n{nonce} begin\n")) else { return false };
    [" end 0\n", " end 0+\n"].iter().any(|end| after.contains(&format!("\n{nonce}{end}")))
}

/// All ends by ticket, in the order in which they were told.
fn play(all: &[Owned]) -> (Vec<Ended<usize>>, Ending<usize>) {
    let mut ending = Ending::new();
    let mut ended: Vec<Ended<usize>> = Vec::new();
    ended.extend(NONCES.iter().enumerate().filter_map(|(n, nonce)| ending.expect(nonce, n)));
    for message in all {
        ended.extend(ending.take(message.borrowed()));
        let held_back = ending.out.carried() + ending.err.carried();
        assert!(held_back < 4096, "{held_back} bytes are held back");
    }
    ended.extend(ending.take(Message::Gone));
    (ended, ending)
}

proptest! {
    #[test]
    fn only_our_nonce_on_both_streams_gives_a_status(all in messages()) {
        let (ended, ending) = play(&all);
        let tickets: Vec<usize> = ended.iter().map(|ended| ended.ticket).collect();
        prop_assert_eq!(tickets, [0, 1], "each ends once, in order");
        prop_assert!(ending.over().is_some());
        let stream = |out: bool| {
            let parts = all.iter().filter_map(|message| match message {
                Owned::Out(bytes) if out => Some(bytes.as_slice()),
                Owned::Err(bytes) if !out => Some(bytes.as_slice()),
                _ => None,
            });
            parts.collect::<Vec<_>>().concat()
        };
        let (out, err) = (stream(true), stream(false));
        for Ended { ticket, end, stdout, stderr } in &ended {
            if *end == End::Status(0) {
                prop_assert!(says_zero(&out, NONCES[*ticket]), "not on standard output");
                prop_assert!(says_zero(&err, NONCES[*ticket]), "not on standard error");
            }
            for captured in [stdout, stderr] {
                prop_assert!(captured.head.len() <= 2 * KEPT && captured.tail.len() <= KEPT);
                prop_assert_eq!(captured.sha256.is_some(), captured.is_cut());
            }
        }
    }

    #[test]
    fn what_the_channel_says_is_never_the_status_of_a_script(all in messages(), status in 0..3_u32) {
        let without: Vec<Owned> =
            all.into_iter().filter(|message| matches!(message, Owned::Other(_))).collect();
        let (mut ended, _) = play(&without);
        let mut more = without.clone();
        more.push(Owned::Other(Message::Status(status)));
        ended.extend(play(&more).0);
        prop_assert!(ended.iter().all(|ended| matches!(ended.end, End::Over(_))));
    }
}

fn out(text: &'static str) -> Owned {
    Owned::Out(text.as_bytes().to_vec())
}

fn err(text: &'static str) -> Owned {
    Owned::Err(text.as_bytes().to_vec())
}

fn first(all: &[Owned]) -> End {
    play(all).0.remove(0).end
}

#[test]
fn a_true_status_is_told_as_soon_as_both_streams_say_it() {
    let said = |n: &'static str| [out("\naaaa begin\nx"), err("\naaaa begin\n"), out(n), err(n)];
    assert_eq!(first(&said("\naaaa end 0\n")), End::Status(0));
    assert_eq!(first(&said("\naaaa end 255+\n")), End::Status(255));
    assert_eq!(first(&said("\naaaa end cwd\n")), End::NoDirectory);
    assert_eq!(first(&said("\naaaa end user\n")), End::NoUser);
    let both = [out("\naaaa begin\n\naaaa end 0\n\naaaa end 0\n"), err("\naaaa begin\n\naaaa end 0\n")];
    assert_eq!(first(&both), End::Status(0), "twice the same is no contradiction");
}

#[test]
fn what_contradicts_itself_is_believed_in_nothing() {
    let hostile = |why| End::Over(Over::Hostile(why));
    let begun = [out("\naaaa begin\n"), err("\naaaa begin\n")];
    let after = |more: &[Owned]| [&begun, more].concat();
    let other = |message| Owned::Other(message);
    assert_eq!(first(&after(&[out("\naaaa end 0\n"), err("\naaaa end 3\n")])), hostile("two-statuses"));
    assert_eq!(first(&after(&[out("\naaaa end 0\n\naaaa end 3\n"), err("\naaaa end 0\n")])), hostile("two-statuses"));
    let statuses = [other(Message::Status(0)), other(Message::Status(1)), out("\naaaa end 0\n"), err("\naaaa end 0\n")];
    assert_eq!(first(&after(&statuses)), hostile("two-statuses"));
    let signal = [other(Message::Status(0)), other(Message::Signal("KILL".to_owned()))];
    assert_eq!(first(&after(&signal)), hostile("two-statuses"));
    let answers = [other(Message::Answer(true)), other(Message::Answer(false))];
    assert_eq!(first(&after(&answers)), hostile("two-answers"));
    let same = [other(Message::Status(0)), other(Message::Status(0)), out("\naaaa end 4\n"), err("\naaaa end 4\n")];
    assert_eq!(first(&after(&same)), End::Status(4));
}

#[test]
fn a_stream_that_stays_open_after_the_shell_is_held() {
    let begun = || [out("\naaaa begin\n"), err("\naaaa begin\n"), Owned::Other(Message::Status(0))];
    let held = |last: Message<'static>| {
        let (ended, _) = play(&[&begun()[..], &[Owned::Other(last)]].concat());
        (ended[0].stdout.held, ended[0].stderr.held)
    };
    assert_eq!(held(Message::Late), (true, true));
    assert_eq!(held(Message::Closed), (false, false));
    let marked = [out("\naaaa begin\n\naaaa end 0+\n"), err("\naaaa begin\n\naaaa end 0\n")];
    let (ended, _) = play(&marked);
    assert_eq!((ended[0].stdout.held, ended[0].stderr.held), (true, false));
}
