//! The network as an ESME and a person with a phone see it.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::channels::sms::coding::Concat;
use crate::clock::Clock;
use crate::model::private::Private;
use crate::simulator::conduct::{Conduct, Receipts, Refusal, Texts};
use crate::simulator::dialect::Dialect;
use crate::simulator::script::{Line, Script};

use super::{Answer, Carrier, Delivery, Load, Side, Submitted, THROTTLED, Wanted};

const ANA: &str = "+8613800000001";

fn carrier(conduct: Conduct) -> Carrier {
    Carrier::new(
        conduct,
        Clock::by_hand("2026-12-01T01:00:00Z".parse().unwrap()),
    )
}

fn message(text: &str) -> Submitted {
    Submitted {
        account: "carebell".to_owned(),
        from: "10690000".to_owned(),
        to: Private::new("8613800000001".to_owned()),
        text: Private::new(text.to_owned()),
        concat: None,
        receipt: Wanted::Always,
        umr: Some(7),
        expires_at: None,
    }
}

/// Submits and answers as the wire does.
fn send(carrier: &Carrier, submitted: Submitted) -> super::Verdict {
    let (verdict, aftermath) = carrier.submit(submitted);
    carrier.follow(aftermath);
    verdict
}

fn id(verdict: &super::Verdict) -> String {
    match &verdict.answer {
        Some(Answer::Taken { message_id }) => message_id.clone(),
        other => panic!("{other:?}"),
    }
}

fn receipt(delivery: &Delivery) -> String {
    match &delivery.load {
        Load::Receipt { paper, .. } => paper.body.clone(),
        Load::Text { .. } => panic!("a text"),
    }
}

fn words(carrier: &Carrier) -> Vec<(Side, String)> {
    carrier
        .phone(ANA)
        .thread()
        .into_iter()
        .map(|b| (b.side, b.text.into_revealed()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_its_phone_and_its_receipt_names_it() {
    let carrier = carrier(Conduct::default());
    let verdict = send(&carrier, message("您好"));
    assert_eq!(words(&carrier), [(Side::Received, "您好".to_owned())]);
    let delivery = carrier.next("carebell").await;
    assert!(receipt(&delivery).starts_with(&format!("id:{} ", id(&verdict))));
    assert!(receipt(&delivery).contains("stat:DELIVRD"));
    assert_eq!(
        (delivery.from.reveal().as_str(), delivery.to.as_str()),
        ("8613800000001", "10690000")
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_person_writes_goes_to_who_wrote_last_until_it_is_taken() {
    let carrier = carrier(Conduct::default());
    let mut quiet = message("come tomorrow");
    quiet.receipt = Wanted::Never;
    send(&carrier, quiet);
    carrier.phone(ANA).reply("1");
    for acknowledged in [false, true] {
        let delivery = carrier.next("carebell").await;
        assert!(matches!(&delivery.load, Load::Text { text, .. } if text.reveal() == "1"));
        assert_eq!(delivery.to, "10690000");
        assert!(!carrier.phone(ANA).thread()[1].handed_over);
        carrier.settle("carebell", delivery, acknowledged);
    }
    assert!(carrier.phone(ANA).thread()[1].handed_over);
    assert_eq!(carrier.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn long_texts_arrive_whole_and_each_part_has_its_receipt() {
    let carrier = carrier(Conduct::default());
    for part in [2, 1] {
        let mut piece = message(if part == 1 { "first, " } else { "second" });
        piece.concat = Concat::new(9, 2, part);
        send(&carrier, piece);
    }
    assert_eq!(
        words(&carrier),
        [(Side::Received, "first, second".to_owned())]
    );
    assert_eq!((carrier.counts().receipts, carrier.waiting()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_off_gets_its_texts_when_it_is_on_again_and_the_stale_ones_never() {
    let carrier = carrier(Conduct::default());
    carrier.phone(ANA).switch(false);
    let mut stale = message("stale");
    stale.expires_at = Some("2026-12-01T01:05:00Z".parse().unwrap());
    send(&carrier, stale);
    send(&carrier, message("fresh"));
    assert_eq!((words(&carrier).len(), carrier.waiting()), (0, 0));
    carrier.0.clock.set("2026-12-01T02:00:00Z".parse().unwrap());
    carrier.sweep();
    assert!(receipt(&carrier.next("carebell").await).contains("stat:EXPIRED"));
    carrier.phone(ANA).switch(true);
    assert_eq!(words(&carrier), [(Side::Received, "fresh".to_owned())]);
    assert!(receipt(&carrier.next("carebell").await).contains("stat:DELIVRD"));
}

#[tokio::test(start_paused = true)]
async fn the_network_refuses_loses_throttles_and_keeps_silent_on_wish() {
    let refusal = Refusal {
        prefix: "86138".to_owned(),
        status: 0x0B,
    };
    let cases = [
        (
            Conduct {
                refusals: vec![refusal],
                ..Conduct::default()
            },
            Some(Answer::Refused { status: 0x0B }),
            0,
        ),
        (
            Conduct {
                throttled: 100,
                ..Conduct::default()
            },
            Some(Answer::Refused { status: THROTTLED }),
            0,
        ),
        (
            Conduct {
                submits_lost: 100,
                ..Conduct::default()
            },
            None,
            0,
        ),
        (
            Conduct {
                answers_lost: 100,
                ..Conduct::default()
            },
            None,
            1,
        ),
    ];
    for (conduct, answer, texts) in cases {
        let carrier = carrier(conduct);
        assert_eq!(send(&carrier, message("hello")).answer, answer);
        assert_eq!(words(&carrier).len(), texts, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pace_is_kept_second_by_second() {
    let carrier = carrier(Conduct {
        segments_per_second: NonZeroU32::new(2),
        ..Conduct::default()
    });
    let throttled = |carrier: &Carrier| {
        send(carrier, message("hello")).answer == Some(Answer::Refused { status: THROTTLED })
    };
    assert_eq!(
        [
            throttled(&carrier),
            throttled(&carrier),
            throttled(&carrier)
        ],
        [false, false, true]
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!throttled(&carrier));
}

#[tokio::test(start_paused = true)]
async fn receipts_are_late_doubled_lost_or_early_on_wish() {
    let with = |receipts| {
        carrier(Conduct {
            receipts,
            ..Conduct::default()
        })
    };
    let late = with(Receipts {
        after: Duration::from_secs(3),
        ..Receipts::default()
    });
    let began = tokio::time::Instant::now();
    send(&late, message("hello"));
    late.next("carebell").await;
    assert_eq!(began.elapsed().as_secs(), 3);

    let doubled = with(Receipts {
        repeated: 100,
        ..Receipts::default()
    });
    send(&doubled, message("hello"));
    assert_eq!(doubled.waiting(), 2);

    let lost = with(Receipts {
        lost: 100,
        ..Receipts::default()
    });
    send(&lost, message("hello"));
    assert_eq!(lost.waiting(), 0);

    let early = with(Receipts {
        before_answer: true,
        ..Receipts::default()
    });
    let verdict = send(&early, message("hello"));
    assert!(verdict.after > Duration::ZERO && early.waiting() == 1);
}

#[tokio::test(start_paused = true)]
async fn receipts_change_places_when_they_are_spread() {
    let receipts = Receipts {
        spread: Duration::from_secs(10),
        dialect: Dialect::HexThenDecimal,
        ..Receipts::default()
    };
    let carrier = carrier(Conduct {
        receipts,
        seed: 3,
        ..Conduct::default()
    });
    let sent: Vec<u64> = (0..20)
        .map(|_| u64::from_str_radix(&id(&send(&carrier, message("hello"))), 16).unwrap())
        .collect();
    let mut heard = Vec::new();
    for _ in 0..20 {
        let body = receipt(&carrier.next("carebell").await);
        heard.push(body[3..].split(' ').next().unwrap().parse::<u64>().unwrap());
    }
    assert_ne!(heard, sent);
    heard.sort_unstable();
    assert_eq!(heard, sent);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_delivered_says_so_and_is_not_shown() {
    let carrier = carrier(Conduct {
        undelivered: 100,
        ..Conduct::default()
    });
    let mut only_bad = message("hello");
    only_bad.receipt = Wanted::OnFailure;
    send(&carrier, only_bad);
    assert!(words(&carrier).is_empty());
    assert!(receipt(&carrier.next("carebell").await).contains("stat:UNDELIV"));
}

#[tokio::test(start_paused = true)]
async fn a_scripted_phone_answers_by_itself_after_its_time() {
    let carrier = carrier(Conduct {
        texts: Texts {
            repeated: 100,
            ..Texts::default()
        },
        ..Conduct::default()
    });
    let say = Private::new("1".to_owned());
    let line = Line {
        number: Private::new(ANA.to_owned()),
        on: "回复".to_owned(),
        after: Duration::from_secs(5),
        say,
    };
    carrier.set_script(Script::new(vec![line]));
    let mut asked = message("请回复1确认");
    asked.receipt = Wanted::Never;
    send(&carrier, asked);
    let began = tokio::time::Instant::now();
    assert_eq!(words(&carrier).len(), 1, "nothing is written yet");
    for _ in 0..2 {
        assert!(matches!(
            carrier.next("carebell").await.load,
            Load::Text { .. }
        ));
    }
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(words(&carrier)[1..], [(Side::Written, "1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_text_from_a_phone_nobody_wrote_to_goes_to_whoever_asks() {
    let carrier = carrier(Conduct::default());
    carrier.phone(ANA).write_to("10690000", "你好");
    assert!(matches!(
        carrier.next("anybody").await.load,
        Load::Text { .. }
    ));
}
