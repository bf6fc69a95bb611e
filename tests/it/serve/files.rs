//! Pages and files: where they are, where nothing is, and the policy they are held to.

use crate::support::http::{Served, ask};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[tokio::test(flavor = "multi_thread")]
async fn no_way_to_write_a_path_leaves_the_site() {
    let served = Served::new("").await;
    assert!(served.dir.path().join("public/.postrider-build.json").exists(), "there is something to find");
    for path in [
        "/../config.toml",
        "/..%2fconfig.toml",
        "/%2e%2e/config.toml",
        "/%2e%2e%2fconfig.toml",
        "/%252e%252e/config.toml",
        "/..%5cconfig.toml",
        "/..\\config.toml",
        "/..;/config.toml",
        "/./config.toml",
        "/tides/../../config.toml",
        "//config.toml",
        "///etc/passwd",
        "/etc/passwd",
        "/config.toml",
        "/p.db",
        "/content/tides.md",
        "/public/rss.xml",
        "/.postrider-build.json",
        "/%2epostrider-build.json",
        "/.git/config",
        "/rss.xml/",
        "//rss.xml",
        "/rss.xml%00",
        "/%00",
        "/rss.xml%00.html",
        "/%ff",
        "/tides//index.html",
        "//example.org/tides",
        "//tides",
        "/%2f%2fexample.org",
        "/hub/",
        "//hub",
        "/healthz/",
    ] {
        for method in ["GET", "HEAD"] {
            let reply = ask(served.address, method, path, &[], "").await;
            assert!(matches!(reply.status, 400 | 404), "{method} {path}: {reply:?}");
            assert!(!reply.text().contains("[site]") && !reply.text().contains("\"files\""), "{path} gives away a file");
        }
    }
    let page = served.get("/tides", &[]).await;
    assert_eq!((page.status, page.header("location")), (301, "/tides/"), "a page has one address");
    assert_eq!(served.get("/tides/", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_site_is_served_at_its_prefix_and_at_the_root() {
    let dir = Served::new("").await.ended().await;
    let config = std::fs::read_to_string(dir.path().join("config.toml")).unwrap();
    std::fs::write(dir.path().join("config.toml"), config.replace("letter.example.com\"", "example.com/letter\"")).unwrap();
    let served = Served::open(dir, |_| ()).await;
    for path in ["/letter/rss.xml", "/rss.xml", "/letter/tides/", "/tides/", "/letter/", "/letter/healthz"] {
        assert_eq!(served.get(path, &[]).await.status, 200, "{path}");
    }
    assert_eq!(served.get("/letter", &[]).await.header("location"), "/letter/");
    for path in ["/letter/tides", "/tides"] {
        assert_eq!(served.get(path, &[]).await.header("location"), "/letter/tides/", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_is_answered_everywhere_and_writes_are_refused() {
    let served = Served::new("").await;
    let feed = ask(served.address, "OPTIONS", "/rss.xml", &[("Origin", "https://reader.example.org")], "").await;
    assert_eq!((feed.status, feed.header("allow"), feed.header("access-control-allow-origin")), (204, "GET, HEAD, OPTIONS", "*"));
    assert!(feed.header("access-control-allow-headers").contains("If-None-Match"));
    let page = ask(served.address, "OPTIONS", "/tides/", &[], "").await;
    assert_eq!((page.status, page.header("access-control-allow-origin")), (204, ""));
    let link = ask(served.address, "OPTIONS", "/unsubscribe/x", &[], "").await;
    assert_eq!(link.status, 204);
    assert!(link.header("allow").contains("POST") && link.header("allow").contains("OPTIONS"), "{link:?}");
    assert_eq!(ask(served.address, "OPTIONS", "/nowhere", &[], "").await.status, 404);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_eq!(ask(served.address, method, "/rss.xml", &[], "").await.status, 405, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_has_the_strict_policy_and_no_inline_style() {
    let served = Served::new("").await;
    for path in ["/", "/tides/", "/feeds/", "/nowhere", "/unsubscribe/not-a-token", "/healthz"] {
        let reply = served.get(path, &[]).await;
        assert_eq!(reply.header("content-security-policy"), POLICY, "{path}");
        assert_eq!((reply.header("x-content-type-options"), reply.header("referrer-policy")), ("nosniff", "no-referrer"), "{path}");
        let text = reply.text();
        assert!(!text.contains("style=") && !text.contains("<style") && !text.contains("<script"), "{path}: {text}");
        for link in text.split("<link rel=\"stylesheet\" href=\"").skip(1) {
            let href = link.split('"').next().unwrap().trim_start_matches("../").trim_start_matches("./");
            let sheet = served.get(&format!("/{}", href.trim_start_matches('/')), &[]).await;
            assert_eq!((sheet.status, sheet.header("content-type")), (200, "text/css; charset=utf-8"), "{path} links {href}");
            assert!(sheet.header("cache-control").contains("immutable"), "{href} changes its name with its content");
        }
    }
    let code = served.get("/tides/", &[]).await.text();
    let class = code.split("<pre class=\"").nth(1).expect("code keeps its colours as classes").split('"').next().unwrap().to_owned();
    let href = code.split("stylesheet\" href=\"../").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let sheet = served.get(&format!("/{href}"), &[]).await.text();
    assert!(sheet.contains(&format!(".{class}.{class} {{ ")) && sheet.contains("background-color:#f6f4ee"), "{class} is in {href}");
    let feed = served.get("/feed.json", &[]).await.text();
    assert!(feed.contains("<span style="), "feeds keep inline styles: readers have no stylesheet of ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_for_one_reader_is_kept_by_nobody() {
    let served = Served::new("").await;
    assert_eq!(served.get("/unsubscribe/not-a-token", &[]).await.header("cache-control"), "no-store");
    assert_eq!(served.get("/tides/", &[]).await.header("cache-control"), "public, max-age=300");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_served_whole_in_part_and_once() {
    let served = Served::new("").await;
    let picture: Vec<u8> = (0..200_000_u32).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect();
    let folder = served.dir.path().join("content/quay");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("quay.png"), &picture).unwrap();
    std::fs::write(folder.join("plan.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>").unwrap();
    std::fs::write(folder.join("index.md"), "+++\ntitle = \"The quay\"\n+++\n![Quay](quay.png) ![Plan](plan.svg)\n").unwrap();
    let tag = crate::support::http::until("the picture is there, with its tag", async || {
        let reply = served.get("/quay/quay.png", &[]).await;
        Some(reply.header("etag").to_owned()).filter(|tag| reply.status == 200 && !tag.is_empty())
    })
    .await;
    let whole = served.get("/quay/quay.png", &[("Accept-Encoding", "gzip, br")]).await;
    assert_eq!((whole.header("content-type"), whole.header("content-encoding"), whole.header("accept-ranges")), ("image/png", "", "bytes"));
    assert_eq!(whole.header("content-length"), "200000");
    assert!(whole.body == picture, "the picture arrives as it is");
    let head = ask(served.address, "HEAD", "/quay/quay.png", &[], "").await;
    assert_eq!((head.header("content-length"), head.body.len()), ("200000", 0));
    for (range, expected) in
        [("bytes=0-9", 0..10), ("bytes=199990-", 199_990..200_000), ("bytes=-10", 199_990..200_000), ("bytes=100-999999", 100..200_000)]
    {
        let part = served.get("/quay/quay.png", &[("Range", range)]).await;
        let told = format!("bytes {}-{}/200000", expected.start, expected.end - 1);
        assert_eq!((part.status, part.header("content-range")), (206, told.as_str()), "{range}");
        assert!(part.body == picture[expected], "{range}");
    }
    assert_eq!(served.get("/quay/quay.png", &[("Range", "bytes=200000-")]).await.status, 416);
    for odd in ["bytes=9-0", "bytes=0-1,5-9", "lines=1-2", "bytes=-", "bytes=a-b"] {
        assert_eq!(served.get("/quay/quay.png", &[("Range", odd)]).await.status, 200, "{odd}");
    }
    assert_eq!(served.get("/quay/quay.png", &[("Range", "bytes=0-9"), ("If-Range", &tag)]).await.status, 206);
    assert_eq!(served.get("/quay/quay.png", &[("Range", "bytes=0-9"), ("If-Range", "\"old\"")]).await.status, 200);
    let again = served.get("/quay/quay.png", &[("If-None-Match", &tag)]).await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag.as_str()));
    let drawing = served.get("/quay/plan.svg", &[]).await;
    assert!(drawing.header("content-security-policy").contains("sandbox"), "a picture opened by itself runs nothing: {drawing:?}");
    assert_eq!(drawing.header("x-content-type-options"), "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_article_appears_at_its_date_though_nothing_changes() {
    let served = Served::new("").await;
    let tag = served.get("/rss.xml", &[]).await.header("etag").to_owned();
    served.article("spring-tide", "Spring tide", "2026-11-19", "It comes at noon.");
    // The feed of an article dated ahead is that of before; one dated now tells when both were read.
    served.article("neap-tide", "Neap tide", "2026-11-18", "It is here.");
    let feed = served.changed("/rss.xml", &tag).await;
    assert!(feed.text().contains("Neap tide") && !feed.text().contains("Spring tide"), "{}", feed.text());
    assert_eq!(served.get("/spring-tide/", &[]).await.status, 404);

    let tag = feed.header("etag").to_owned();
    served.pass(std::time::Duration::from_secs(24 * 3_600));
    assert!(served.changed("/rss.xml", &tag).await.text().contains("Spring tide"));
    assert_eq!(served.get("/spring-tide/", &[]).await.status, 200);
}
