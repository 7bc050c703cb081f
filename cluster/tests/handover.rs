//! Who may send a node's unsent replies, on a real cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the faults of a server alone are the other tests'")]
mod common;

use std::time::Duration;

use common::{Servers, until};
use icaze_cluster::{Call, Cluster, Fate, Queue, Replies, Whereabouts};

const LEASE: Duration = Duration::from_secs(2);
/// More than one page of a long hash.
const REPLIES: u64 = 1_200;

fn queue() -> Queue {
    Queue { origin: 7, operator: "north".into() }
}

fn sealed(seq: u64) -> Vec<u8> {
    // What a reply is, no server knows: blanks, NUL and all.
    [b"\0\xff - =".as_slice(), &seq.to_be_bytes()].concat()
}

async fn keep(node: &Cluster, seqs: impl Iterator<Item = u64>) {
    let seqs: Vec<_> = seqs.collect();
    let call = |seqs: &[u64]| {
        let mut replies = Replies::default();
        seqs.iter().for_each(|&seq| replies.push(seq, |out| out.extend(sealed(seq))));
        Call::Keep { queue: queue(), replies }
    };
    let calls: Vec<_> = seqs.chunks(Call::REPLIES_MAX).map(call).collect();
    for outcome in node.call(&calls).await {
        outcome.unwrap();
    }
}

async fn claim(by: &Cluster, claimer: u8, again: bool, gone: &[u8]) -> Vec<u64> {
    let mut claimed = by.claim(&queue(), claimer, again, gone).await.unwrap();
    claimed.sort_unstable();
    assert!(claimed.iter().all(|(seq, reply)| *reply == sealed(*seq)), "as they were kept");
    claimed.into_iter().map(|(seq, _)| seq).collect()
}

async fn whereabouts(node: &Cluster) -> Vec<(u64, Whereabouts)> {
    let mut found = node.whereabouts(&queue()).await.unwrap();
    found.sort_unstable_by_key(|(seq, _)| *seq);
    found
}

#[tokio::test]
async fn replies_have_one_holder_at_a_time_whoever_comes_and_goes() {
    let servers = Servers::start().await;
    let node = servers.connect("any").await;
    let all: Vec<u64> = (0..REPLIES).collect();
    node.hold_lease(7, LEASE).await.unwrap();
    keep(&node, 0..REPLIES).await;
    assert!(node.holds_lease(7).await.unwrap());
    assert_eq!(claim(&node, 8, true, &[7]).await, [], "its origin is there");
    assert_eq!(whereabouts(&node).await, all.iter().map(|&seq| (seq, Whereabouts::Kept)).collect::<Vec<_>>());

    until(async || !node.holds_lease(7).await.unwrap()).await;
    assert_eq!(claim(&node, 8, false, &[]).await, all);
    assert_eq!(claim(&node, 9, true, &[]).await, [], "somebody has them");
    assert_eq!(claim(&node, 8, false, &[]).await, [], "it has them already");
    assert_eq!(claim(&node, 8, true, &[]).await, all, "as after an answer that was lost");
    keep(&node, 0..REPLIES).await;
    assert_eq!(claim(&node, 9, false, &[]).await, [], "a late repeat takes nothing from anybody");

    node.hold_lease(7, LEASE * 30).await.unwrap();
    let away = whereabouts(&node).await;
    assert_eq!(away, all.iter().map(|&seq| (seq, Whereabouts::Claimed(8))).collect::<Vec<_>>());

    // The claimer tells what became of some, and leaves others to whoever comes.
    let fates = [(0, Fate::Sent), (1, Fate::Refused), (2, Fate::Expired), (3, Fate::GivenBack)];
    node.end(&queue(), 9, &fates).await.unwrap();
    assert_eq!(claim(&node, 8, true, &[]).await, all, "they are not another one's to end");
    node.end(&queue(), 8, &fates).await.unwrap();
    node.end(&queue(), 8, &fates).await.unwrap();
    let ended = |fate| Whereabouts::Ended(fate);
    let expected = [
        (0, ended(Fate::Sent)),
        (1, ended(Fate::Refused)),
        (2, ended(Fate::Expired)),
        (3, Whereabouts::Kept),
        (4, Whereabouts::Claimed(8)),
    ];
    assert_eq!(whereabouts(&node).await[..5], expected, "what was given back is its origin's");

    // The claimer is gone, and the origin is there: it takes back what is left, and nobody else can.
    assert_eq!(claim(&node, 7, false, &[8]).await, (4..REPLIES).collect::<Vec<_>>());
    assert_eq!(claim(&node, 9, true, &[8]).await, []);
    assert_eq!(
        whereabouts(&node).await.iter().filter(|(_, at)| *at == Whereabouts::Kept).count(),
        all.len() - 3
    );
    let drops = all.chunks(Call::REPLIES_MAX).map(|seqs| Call::Drop { queue: queue(), seqs: seqs.to_vec() });
    for outcome in node.call(&drops.collect::<Vec<_>>()).await {
        outcome.unwrap();
    }
    assert_eq!(whereabouts(&node).await, []);
}
