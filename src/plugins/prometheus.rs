//! `prometheus`: what the process has counted, for whoever asks over HTTP.
//!
//! The queries of a block with the directive are counted one by one, under CoreDNS's names
//! ([`metrics`](crate::metrics)); those of other blocks cost nothing.

use std::net::{Ipv4Addr, SocketAddr};

use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use corefile::{Diagnostic, Directive, Span};

use super::health::address_of;
use super::{Build, Definition, Service, Setup};
use crate::config::ListenAddress;

/// See the module.
pub const PROMETHEUS: Definition = Definition {
    name: "prometheus",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
prometheus [ADDRESS] {
    runtime_metrics
}";
const LINE: &str = "prometheus [ADDRESS]";

/// CoreDNS's: on this machine alone.
const USUAL: ListenAddress = ListenAddress::One(SocketAddr::new(
    std::net::IpAddr::V4(Ipv4Addr::LOCALHOST),
    9153,
));

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    for directive in setup.directives {
        for option in directive.options() {
            setup.diagnostics.push(match option.name() {
                "runtime_metrics" => runtime_metrics(option),
                "tls" => Diagnostic::error(option.line(), "metrics over TLS are not available yet")
                    .label("not available")
                    .help("listen on localhost, and have a proxy serve it over TLS"),
                _ => option.name.unknown("option", &["runtime_metrics"]),
            });
        }
        setup.block.options.measured = true;
        let address = address_of(directive, LINE, USUAL);
        if let Some(address) = setup.diagnostics.keep(address) {
            let place = (address, directive.line());
            setup.add_service(directive, Box::new(Prometheus { place }));
        }
    }
}

/// What the runtime of CoreDNS's language tells of itself.
fn runtime_metrics(option: &Directive) -> Diagnostic {
    let syntax = option
        .no_arguments("runtime_metrics")
        .and_then(|()| option.no_block("runtime_metrics"));
    syntax.err().unwrap_or_else(|| {
        Diagnostic::warning(option.line(), "there are no metrics of Go's runtime here")
            .label("without effect")
    })
}

struct Prometheus {
    place: (ListenAddress, Span),
}

impl Service for Prometheus {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<(), String> {
        let (metrics, blocks) = (build.metrics.clone(), build.blocks.clone());
        let handler = get(async move || ([(CONTENT_TYPE, TEXT)], metrics.scrape(&blocks)));
        build.admin.route(self.place, "/metrics", handler);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use answer::RecordType;

    use crate::plugins::harness::Server;

    /// What a server tells.
    fn metrics(server: &Server) -> String {
        let (status, text) = server.get(9153, "/metrics");
        assert_eq!(status, 200);
        text
    }

    /// If this fails, dashboards made for CoreDNS show nothing, or something wrong.
    #[test]
    fn queries_are_counted_under_the_names_of_coredns() {
        let server = Server::block("prometheus\nwhoami");
        server.ask("a.example.", RecordType::A);
        server.ask("b.example.", RecordType::A);
        server.ask("b.example.", RecordType(999));
        let server = server.from("2001:db8::1").over_tcp();
        server.ask("b.example.", RecordType::AAAA);
        let text = metrics(&server);
        let place = r#"server="dns://:53",zone=".",view="""#;
        for line in [
            format!(
                "coredns_dns_requests_total{{{place},proto=\"udp\",family=\"1\",type=\"A\"}} 2"
            ),
            format!(
                "coredns_dns_requests_total{{{place},proto=\"udp\",family=\"1\",type=\"other\"}} 1"
            ),
            format!(
                "coredns_dns_requests_total{{{place},proto=\"tcp\",family=\"2\",type=\"AAAA\"}} 1"
            ),
            format!("coredns_dns_responses_total{{{place},rcode=\"NOERROR\",plugin=\"whoami\"}} 4"),
            format!("coredns_dns_request_duration_seconds_count{{{place}}} 4"),
            format!("coredns_dns_request_size_bytes_bucket{{{place},proto=\"udp\",le=\"100\"}} 3"),
            format!("coredns_dns_response_size_bytes_count{{{place},proto=\"tcp\"}} 1"),
            format!("coredns_plugin_enabled{{{place},name=\"whoami\"}} 1"),
            "# TYPE coredns_dns_request_duration_seconds histogram".to_owned(),
            "# TYPE coredns_dns_requests_total counter".to_owned(),
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(text.contains("le=\"0.00025\"} ") && text.contains("le=\"8.192\"} "));
        assert!(text.contains("coredns_build_info{version="));
    }

    /// If this fails, queries that nobody answers, or that are for no zone, are not seen.
    #[test]
    fn refusals_and_failures_are_counted() {
        let server = Server::corefile("example. {\nprometheus\n}\n");
        server.ask("other.", RecordType::A);
        let text = metrics(&server);
        let refused = "zone=\"dropped\",view=\"\",rcode=\"REFUSED\",plugin=\"\"} 1";
        assert!(text.contains(refused), "{text}");
        let server = Server::block("prometheus\nlocal");
        server.ask("other.", RecordType::A);
        let failed = "rcode=\"SERVFAIL\",plugin=\"\"} 1";
        assert!(metrics(&server).contains(failed));
    }

    /// If this fails, blocks that nobody wants to measure are measured.
    #[test]
    fn other_blocks_are_not_counted() {
        let server = Server::corefile("a. {\nwhoami\n}\nb. {\nprometheus\nwhoami\n}\n");
        server.ask("a.", RecordType::A);
        assert!(!metrics(&server).contains("zone=\"a.\""));
        server.ask("b.", RecordType::A);
        assert!(metrics(&server).contains("zone=\"b.\",view=\"\",rcode=\"NOERROR\""));
    }

    /// If this fails, a mistake is not shown where it is.
    #[test]
    fn mistakes_are_shown() {
        for (text, message) in [
            ("prometheus\nprometheus", "given twice"),
            ("prometheus {\ntls web.yml\n}", "not available yet"),
            (
                "prometheus {\nruntime_metric\n}",
                "did you mean `runtime_metrics`?",
            ),
            ("prometheus :http", "expected a port"),
        ] {
            let shown = Server::mistakes(text);
            assert!(shown.contains(message), "{text}: {shown}");
        }
        assert_eq!(
            Server::mistakes("prometheus :9153 {\nruntime_metrics\n}"),
            ""
        );
    }
}
