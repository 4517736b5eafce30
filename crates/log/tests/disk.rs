//! The log on a real disk, against the model, with many openings.

mod support;

use longwire_log::{LogError, Request, Response};
use support::{
    Chance,
    client::Client,
    model::{Model, random_write},
};

#[test]
fn what_was_acknowledged_is_there_after_each_opening() {
    for seed in 0..6 {
        println!("seed {seed}");
        let folder = tempfile::tempdir().expect("a folder for a moment");
        let mut chance = Chance(seed);
        let mut model = Model::default();
        let mut now_ms = 1_000;
        for opening in 0..6 {
            let (mut client, report) = Client::open(folder.path()).expect("it opens");
            assert_eq!(report.created, opening == 0);
            assert_eq!((report.corrupt, report.torn), (vec![], vec![]));
            for _ in 0..12 {
                now_ms += chance.below(60);
                let requests: Vec<Request> =
                    (0..=chance.below(40)).map(|_| random_write(&mut chance, now_ms)).collect();
                let answers = client.all(&requests);
                check(&mut model, &requests, &answers);
            }
            model.compare(&mut chance, |request| client.ask(request));
        }
    }
}

fn check(model: &mut Model, requests: &[Request], answers: &[Result<Response, LogError>]) {
    for (request, answer) in requests.iter().zip(answers) {
        let expected = model.apply(request, Some(answer));
        assert_eq!(*answer, expected, "{request:?}");
    }
}
