use super::*;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn options_are_read_and_others_refused() {
    let options = Options::parse(&words("--plain-links --seconds 2.5")).unwrap();
    assert_eq!(
        options,
        Options {
            seconds: 2.5,
            plain_links: true
        }
    );
    assert!(!Options::parse(&[]).unwrap().plain_links);
    for wrong in [
        "--second 2",
        "--seconds",
        "--seconds x",
        "--seconds 0",
        "--seconds NaN",
        "2",
    ] {
        assert!(Options::parse(&words(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn the_plan_touches_nothing_outside_its_namespaces() {
    for plain_links in [false, true] {
        for command in plan("mine-", plain_links) {
            let words: Vec<_> = command.split(' ').collect();
            let is_inside = words[1] == "-n" && words[2].starts_with("mine-");
            let makes_one = words[..3] == ["ip", "netns", "add"] && words[3].starts_with("mine-");
            assert!(is_inside || makes_one, "{command}");
        }
    }
}

#[test]
fn every_receiver_is_delayed_both_ways_unless_links_are_plain() {
    let delayed = |plain_links| {
        plan("x-", plain_links)
            .iter()
            .filter(|command| command.contains("netem"))
            .count()
    };
    assert_eq!(delayed(false), 2 * ROUND_TRIP_MILLISECONDS.len());
    assert_eq!(delayed(true), 0);
}

#[test]
fn names_of_interfaces_fit_the_kernel() {
    for command in plan("x-", false) {
        let names = command
            .split(' ')
            .filter(|word| word.starts_with("port") || word.starts_with("bridge"));
        for name in names {
            assert!(name.len() < 16, "{name}");
        }
    }
}

#[test]
fn only_namespaces_of_dead_processes_are_leftovers() {
    let names = "p2p-netns-12-switch (id: 3)\np2p-netns-12-0\np2p-netns-13-0\nother-12-0\np2p-netns-x\n";
    assert_eq!(
        leftovers(names, |process| process == "13"),
        ["p2p-netns-12-switch", "p2p-netns-12-0"]
    );
}

#[test]
fn numbers_are_found_after_their_label() {
    assert_eq!(number_in("sent for 10.002 s\n", "sent for "), Ok(10.002));
    assert_eq!(number_in("hello\nreceived 17 bytes\n", "received "), Ok(17.0));
    assert!(number_in("received many bytes", "received ").is_err());
}

#[test]
fn a_broken_cap_and_unequal_shares_are_noticed() {
    let check = |received: [f64; 4]| {
        let measured = Measured {
            seconds: 1.0,
            received: received.to_vec(),
            plain_links: true,
        };
        measured.check()
    };
    assert_eq!(check([250_000.0; 4]), Ok(()));
    assert!(check([260_000.0; 4]).unwrap_err().contains("104.00 % of the cap"));
    assert!(check([220_000.0; 4]).unwrap_err().contains("% of the cap"));
    assert!(
        check([200_000.0, 300_000.0, 250_000.0, 250_000.0])
            .unwrap_err()
            .contains("Jain's index 0.98")
    );
    assert!(check([0.0; 4]).unwrap_err().contains("Jain"));
}
