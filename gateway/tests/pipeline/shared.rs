//! Nodes that share their allowances with others.

use icaze_cluster::{Call, Confirm, Grant, Hold, Reserved, Text};
use icaze_gateway::permit::code::CodeKey;
use icaze_gateway::pipeline;
use icaze_gateway::pipeline::intake::{Body, Intake};
use icaze_gateway::pipeline::shared::{News, Shared};
use icaze_store::Msisdn;

use crate::{ANNA, BORIS, NOON, Node, address};

impl Node {
    /// A text of a node that shares allowances: how many reservations it wants, and its entry after `answer` to the first.
    fn ask(
        &mut self,
        from: &str,
        identity: u128,
        text: &str,
        answer: Option<Reserved>,
    ) -> (usize, Option<u64>) {
        let mut intake = Intake::default();
        let phone = Msisdn::parse(from, 994, 9);
        intake.push(address(from), address("8103"), phone, identity, self.now.wall, Body::Text(text));
        let wanted = self.pipeline.wanted(0, &intake, &self.world, self.now);
        if let (Some(wanted), Some(answer)) = (wanted.first(), answer) {
            intake.answered(wanted.place, answer);
        }
        let mut entry = None;
        let keep =
            |accepted: Result<pipeline::Accepted, _>| entry = accepted.ok().map(|accepted| accepted.seq);
        self.pipeline.receive(0, &intake, &self.world, self.now, keep);
        self.commit();
        (wanted.len(), entry)
    }

    fn changes(&mut self) -> Vec<Call> {
        let mut news = News::default();
        self.pipeline.take_news(&self.spare, &mut news);
        news.changes.into_iter().map(|change| change.call).collect()
    }

    /// Somebody else's permit as it would be told from now on.
    fn shared_permit(&self) -> String {
        let start = self.now.wall.as_second();
        let code = CodeKey::new(self.key.derive("code")).code(1, 7).unwrap().as_u64();
        format!("{code} {start} {} {} 7", start + 3 * 3600, self.now.wall.as_microsecond())
    }
}

fn text(text: &str) -> Text {
    Text::from(text).unwrap()
}

fn held() -> Option<Reserved> {
    Some(Reserved::Held(Grant(text("hold@1"))))
}

#[test]
fn where_allowances_are_shared_a_permit_is_granted_on_a_reservation_only() {
    let mut node = Node::start(NOON);
    node.pipeline.share(Shared::new([1; 16]));
    for answer in [None, Some(Reserved::Busy), Some(Reserved::Standing(Grant(text("x@1")), text("not ours")))]
    {
        assert_eq!(node.ask(ANNA, 1, "2 AZE20000000", answer), (1, None), "put off");
    }
    let (wanted, entry) = node.ask(ANNA, 1, "2 AZE20000000", held());
    assert!(wanted == 1 && entry.is_some() && node.reply().unwrap().contains("15:00"));
    let changes = node.changes();
    assert!(
        matches!(&changes[..], [Call::Confirm { hold: Hold::Named(hold), mode: Confirm::Live, allowance, .. }]
            if hold.0.as_str() == "hold@1" && allowance.quotas.len() == 1),
        "{changes:?}"
    );
    assert_eq!(node.ask(ANNA, 2, "kod 2 AZE20000000", None).0, 0, "it stands here");

    let used = |day, week| Some(Reserved::Used { day, week });
    node.reply();
    assert_eq!(node.ask(BORIS, 3, "2 AZE20000001", used(true, false)), (1, Some(node.pipeline.position())));
    assert!(node.reply().unwrap().contains("07.03 saat 00:00"));
    let permit = Reserved::Standing(Grant(text("y@1")), text(&node.shared_permit()));
    node.ask(ANNA, 4, "2 AZE20000002", Some(permit));
    let stranger = node.reply().unwrap();
    assert!(
        stranger.starts_with("*002") && !stranger.contains("15:00"),
        "another phone asked for it: {stranger}"
    );
    assert_eq!(node.changes().len(), 0);

    for identity in 10..20 {
        node.ask(ANNA, identity, "salam", None);
    }
    assert_eq!(node.ask(ANNA, 20, "2 AZE20000003", held()).0, 0, "a phone beyond its limit holds nothing");
}

#[test]
fn what_came_too_late_is_undone_unless_its_code_was_told_once_more() {
    let mut node = Node::start(NOON);
    node.pipeline.share(Shared::new([1; 16]));
    let entry = node.ask(ANNA, 1, "2 AZE20000000", held()).1.unwrap();
    node.changes();
    assert!(node.pipeline.void(&[entry]).is_empty());
    node.commit();
    assert!(node.reply().is_none(), "nobody hears of it");
    assert!(matches!(node.changes()[..], [Call::Release { .. }]));
    let (wanted, entry) = node.ask(ANNA, 1, "2 AZE20000000", held());
    let entry = entry.unwrap();
    assert_eq!(wanted, 1, "nothing is spent");
    node.ask(ANNA, 2, "kod 2 AZE20000000", None);
    node.changes();
    assert_eq!(node.pipeline.void(&[entry]), [entry], "it stands");
    assert_eq!(node.changes().len(), 0);

    node.crash();
    node.pipeline.share(Shared::new([1; 16]));
    let again: Vec<_> =
        node.pipeline.unsettled(&node.world, 10).into_iter().map(|change| change.call).collect();
    let [Call::Release { .. }, Call::Confirm { mode: Confirm::Live, hold: Hold::Orphaned, .. }] = &again[..]
    else {
        panic!("{again:?}")
    };
}
