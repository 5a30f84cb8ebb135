//! EDNS as resolvers and the test set of ISC's `ednscomp` try it: what is unknown is passed over,
//! never echoed, and never a reason not to answer (RFC 6891).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use domain::base::Message;
use domain::base::iana::Rtype;
use domain::base::opt::{AllOptData, OptData};

use crate::support::BOUND;
use crate::support::callsign::Callsign;
use crate::support::dns::{Query, receive, udp_socket};

const NOERROR: u16 = 0;
const BADVERS: u16 = 16;

/// EDNS version, flags (DO is 0x8000) and options in wire form.
#[derive(Clone, Copy, Default)]
struct Opt<'a> {
    udp_size: u16,
    version: u8,
    flags: u16,
    options: &'a [u8],
}

/// What a reply says, as an independent reader has it.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    /// With the bits that the OPT record has.
    rcode: u16,
    truncated: bool,
    answers: usize,
    opt: Option<ReplyOpt>,
}

#[derive(Debug, PartialEq, Eq)]
struct ReplyOpt {
    version: u8,
    /// All sixteen bits.
    flags: u16,
    /// The codes of the options.
    options: Vec<u16>,
}

/// The query with an OPT record.
fn with_opt(query: &Query, opt: Opt<'_>) -> Vec<u8> {
    let mut bytes = query.bytes();
    bytes[11] = 1;
    bytes.extend_from_slice(&[0, 0, 41]);
    bytes.extend_from_slice(&opt.udp_size.to_be_bytes());
    bytes.extend_from_slice(&[0, opt.version]);
    bytes.extend_from_slice(&opt.flags.to_be_bytes());
    let length = u16::try_from(opt.options.len()).expect("few options");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(opt.options);
    bytes
}

fn read(bytes: &[u8]) -> Reply {
    let message = Message::from_octets(bytes).expect("a header");
    assert!(message.header().qr() && !message.header().z());
    let additional = message.additional().expect("whole sections");
    let records: Vec<_> = additional.map(|it| it.expect("a record")).collect();
    let opts = records.iter().filter(|it| it.rtype() == Rtype::OPT);
    assert!(opts.count() <= 1, "one OPT record at most");
    let opt = message.opt().map(|opt| {
        let record = records.iter().find(|it| it.rtype() == Rtype::OPT);
        let ttl = record.expect("it is there").ttl().as_secs();
        let options = opt.opt().iter::<AllOptData<_, _>>();
        ReplyOpt {
            version: opt.version(),
            flags: (ttl & 0xffff) as u16,
            options: options
                .map(|it| it.expect("a whole option").code().to_int())
                .collect(),
        }
    });
    Reply {
        rcode: message.opt_rcode().to_int(),
        truncated: message.header().tc(),
        answers: message.answer().expect("an answer section").count(),
        opt,
    }
}

fn udp(server: SocketAddr, query: &[u8]) -> (Reply, usize) {
    let socket = udp_socket(server);
    socket.send(query).expect("a datagram");
    let bytes = receive(&socket).expect("a reply over UDP");
    (read(&bytes), bytes.len())
}

fn tcp(server: SocketAddr, query: &[u8]) -> Reply {
    let mut stream = TcpStream::connect_timeout(&server, BOUND).expect("a connection");
    stream.set_read_timeout(Some(BOUND)).expect("a timeout");
    let length = u16::try_from(query.len()).expect("a message");
    let message = [&length.to_be_bytes(), query].concat();
    stream.write_all(&message).expect("the server reads");
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a reply over TCP");
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).expect("a whole reply");
    read(&reply)
}

/// An empty option that nobody knows, and a cookie of a client (RFC 7873 §4.1).
const UNKNOWN: &[u8] = &[0, 100, 0, 0];
const COOKIE: &[u8] = &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
/// NSID, client subnet of no address, cookie, EXPIRE, keepalive, and one that nobody knows.
const MANY: &[u8] = &[
    0, 3, 0, 0, 0, 8, 0, 4, 0, 1, 0, 0, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 0, 0, 0, 11, 0,
    0, 0, 100, 0, 1, 7,
];

/// If this fails, resolvers take the server for one that does not do EDNS, ask it again without,
/// or believe it away.
#[test]
fn what_is_unknown_is_passed_over() {
    let callsign = Callsign::start(".:{port} {\n    local\n}\n");
    let server = callsign.address();
    let soa = Query::new("localhost.", "SOA");
    let usual = Opt {
        udp_size: 4096,
        ..Opt::default()
    };
    let plain = Reply {
        rcode: NOERROR,
        truncated: false,
        answers: 1,
        opt: None,
    };
    assert_eq!(udp(server, &soa.bytes()).0, plain, "without EDNS");
    assert_eq!(tcp(server, &soa.bytes()), plain);
    // A bit of the header that must be zero, and AD and CD.
    let odd = soa.clone().flags([1, 0x70]);
    assert_eq!(udp(server, &odd.bytes()).0, plain);
    let cases = [
        ("EDNS", usual),
        (
            "a small size",
            Opt {
                udp_size: 0,
                ..usual
            },
        ),
        (
            "an unknown option",
            Opt {
                options: UNKNOWN,
                ..usual
            },
        ),
        (
            "a cookie",
            Opt {
                options: COOKIE,
                ..usual
            },
        ),
        (
            "many options",
            Opt {
                options: MANY,
                ..usual
            },
        ),
        (
            "an unknown flag",
            Opt {
                flags: 0x0080,
                ..usual
            },
        ),
        (
            "all flags",
            Opt {
                flags: 0xffff,
                ..usual
            },
        ),
        (
            "DO",
            Opt {
                flags: 0x8000,
                ..usual
            },
        ),
        (
            "version 1",
            Opt {
                version: 1,
                ..usual
            },
        ),
        (
            "version 1 and an option",
            Opt {
                version: 1,
                options: UNKNOWN,
                ..usual
            },
        ),
        (
            "version 1 and a flag",
            Opt {
                version: 1,
                flags: 0x0080,
                ..usual
            },
        ),
        (
            "version 1 and DO",
            Opt {
                version: 1,
                flags: 0x8000,
                ..usual
            },
        ),
        (
            "version 255 and nonsense",
            Opt {
                version: 255,
                options: &[1, 2, 3],
                ..usual
            },
        ),
    ];
    for (what, opt) in cases {
        let known = opt.version == 0;
        let expected = Reply {
            rcode: if known { NOERROR } else { BADVERS },
            truncated: false,
            answers: usize::from(known),
            opt: Some(ReplyOpt {
                version: 0,
                flags: opt.flags & 0x8000,
                options: Vec::new(),
            }),
        };
        let query = with_opt(&soa, opt);
        assert_eq!(udp(server, &query).0, expected, "{what} over UDP");
        assert_eq!(tcp(server, &query), expected, "{what} over TCP");
    }
}

/// If this fails, large answers are lost on their way, or cut although the client takes them.
#[test]
fn sizes_are_kept_and_truncated_replies_have_an_opt_record() {
    let hosts: String = (0..150)
        .map(|n| format!("        10.0.0.{n} many.example\n"))
        .collect();
    let callsign = Callsign::start(&format!(
        ".:{{port}} {{\n    hosts /dev/null {{\n{hosts}        10.1.1.1 few.example\n    }}\n}}\n"
    ));
    let server = callsign.address();
    let many = Query::new("many.example.", "A");
    for (udp_size, longest) in [(0, 512), (512, 512), (1000, 1000), (4096, 1232)] {
        let opt = Opt {
            udp_size,
            ..Opt::default()
        };
        let query = with_opt(&many, opt);
        let (reply, length) = udp(server, &query);
        assert!(reply.truncated && reply.opt.is_some(), "{reply:?}");
        assert!(length <= longest && length > longest - 16, "{length}");
        let whole = tcp(server, &query);
        assert_eq!((whole.truncated, whole.answers), (false, 150));
        assert!(whole.opt.is_some());
    }
    let (reply, length) = udp(server, &many.bytes());
    assert!(reply.truncated && reply.opt.is_none() && length <= 512);
    assert_eq!(tcp(server, &many.bytes()).answers, 150);
    let few = with_opt(&Query::new("few.example.", "A"), Opt::default());
    let (reply, _) = udp(server, &few);
    assert_eq!((reply.truncated, reply.answers), (false, 1));
}
