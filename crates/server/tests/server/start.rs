//! How a server starts, or why it does not.

use longwire_server::{
    Server, StartError,
    config::{Config, Overrides},
};
use tempfile::TempDir;

use crate::support::{TestServer, config, http::get};

async fn refused(edit: impl FnOnce(&mut Config)) -> (StartError, String) {
    let data = TempDir::new().expect("a folder");
    let mut config = config(&data);
    edit(&mut config);
    let error = Server::start(config).await.expect_err("it does not start");
    let words = error.to_string();
    (error, words)
}

#[tokio::test]
async fn without_credentials_it_serves_this_machine_alone() {
    let (error, words) = refused(|config| config.listen = "0.0.0.0:0".to_owned()).await;
    assert!(matches!(error, StartError::NoCredentials { .. }));
    let (_, lines) = words.split_once("\n\n").expect("lines to add");
    let (lines, _) = lines.split_once("\n\n").expect("lines to add");
    // The lines that it prints are all that was missing.
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("longwire.toml");
    std::fs::write(&file, format!("listen = \"0.0.0.0:0\"\n{lines}\n")).expect("written");
    let mut config = Config::from_layers(Some(&file), [], &Overrides::new()).expect("sound");
    config.data = folder.path().to_owned();
    let running = Server::start(config).await.expect("it starts");
    assert!(!running.is_development());
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let server = TestServer::start().await;
    let taken = server.addr().to_string();
    let (error, words) = refused(|config| config.listen = taken.clone()).await;
    assert!(matches!(error, StartError::Bind { ref addr, .. } if *addr == taken));
    assert!(words.contains(&taken) && words.contains("another port"), "{words}");
}

#[tokio::test]
async fn an_address_that_is_none_is_told() {
    for listen in ["8000", "127.0.0.1", "127.0.0.1:high"] {
        let (error, words) = refused(|config| config.listen = listen.to_owned()).await;
        assert!(matches!(error, StartError::Bind { .. }), "{listen}");
        assert!(words.contains("HOST:PORT"), "{words}");
    }
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_one_is_told() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let (error, words) = refused(|config| {
        config.data = file.clone();
        config.namespaces.clear();
    })
    .await;
    assert!(matches!(error, StartError::Data { .. }), "{words}");
    assert!(words.contains(&file.display().to_string()) && words.contains("`data`"), "{words}");
}

#[tokio::test]
async fn a_data_folder_serves_one_server_at_a_time() {
    let server = TestServer::durable().await;
    let (error, words) = refused(|config| *config = server.config.clone()).await;
    assert!(matches!(error, StartError::Log(_)), "{words}");
    assert!(words.contains("another"), "{words}");
}

#[tokio::test]
async fn those_who_watch_are_answered() {
    let server = TestServer::start().await;
    assert_eq!(get(server.addr(), "/healthz").send().await.body, "ok\n");
    assert_eq!(get(server.addr(), "/readyz").send().await.ok()["status"], "ready");
    let document = get(server.addr(), "/openapi.json").send().await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    // From anywhere, by any name.
    let metrics = get(server.addr(), "/metrics").header("host", "prometheus.example").send().await;
    let text = String::from_utf8_lossy(&metrics.body);
    for line in [
        "# TYPE longwire_sessions gauge",
        "longwire_phase{phase=\"ready\"} 1",
        "longwire_recoveries_total{outcome=\"truncated\"} 0",
        "longwire_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
}
