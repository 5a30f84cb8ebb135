//! Numbers and their text.

use std::sync::Arc;
use std::thread;

use super::*;

/// If this fails, what threads count at once is lost.
#[test]
fn counters_add_up_over_threads() {
    let counters = Arc::new(Counters::new(40));
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for number in 0..50 {
                    counters.add(number, 2);
                }
            });
        }
    });
    assert_eq!((counters.total(0), counters.total(39)), (40, 40));
    // What has no place is not counted, and nobody else's place is taken.
    assert_eq!(counters.total(1000), 0);
}

const BYTES: Family = Family::histogram("b_bytes", "Octets.");
const NUMBERS: Family = Family::counter("a_total", "Numbers.");

/// If this fails, Prometheus refuses the whole page, or reads it wrongly.
#[test]
fn the_text_is_as_prometheus_has_it() {
    let mut scrape = Scrape::default();
    let distribution = Distribution {
        first: 1,
        bounds: &[10, 20],
        per_unit: 1.0,
    };
    let counters = Counters::new(1 + Distribution::cells(&[10, 20]));
    for value in [10, 11, 21] {
        distribution.observe(counters.own(), value);
    }
    scrape.histogram(&BYTES, &[], &counters, &distribution);
    scrape.counter(&NUMBERS, &[("of", "a\"b\\c\nd")], 1);
    // Two blocks with one series.
    scrape.counter(&NUMBERS, &[("of", "a\"b\\c\nd")], 2);
    assert_eq!((scrape.sum("a_total"), scrape.sum("none")), (3, 0));
    let by = scrape.sums("a_total", "of");
    assert_eq!(
        by.into_iter().collect::<Vec<_>>(),
        [("a\"b\\c\nd".to_owned(), 3)]
    );
    assert_eq!(
        scrape.finish(),
        "# HELP a_total Numbers.\n# TYPE a_total counter\na_total{of=\"a\\\"b\\\\c\\nd\"} 3\n\
         # HELP b_bytes Octets.\n# TYPE b_bytes histogram\nb_bytes_bucket{le=\"10\"} 1\n\
         b_bytes_bucket{le=\"20\"} 2\nb_bytes_bucket{le=\"+Inf\"} 3\nb_bytes_sum 42\nb_bytes_count 3\n"
    );
}

/// If this fails, counters fall at a reload and whoever watches sees a restart.
#[test]
fn what_stays_goes_on_counting() {
    let registry = Registry::default();
    let address = ListenAddress::Every(53);
    let first = registry.meter(address, ".", "", &["whoami"]);
    let second = registry.meter(address, ".", "", &["cache", "whoami"]);
    assert!(Arc::ptr_eq(&first.all, &second.all));
    assert!(Arc::ptr_eq(&first.plugins[0], &second.plugins[1]));
    drop((first, second));
    let _other = registry.meter(address, "example.", "", &[]);
    assert!(!registry.scrape(&Blocks::default()).contains("zone=\".\""));
}
