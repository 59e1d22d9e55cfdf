// SPDX-License-Identifier: MIT OR Apache-2.0

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const HEADER: Header = Header {
    source_port: 0x1234,
    destination_port: 5555,
    gsi: Gsi([0xb7, 0xc6, 0xd1, 0xbc, 0x03, 0x8a]),
};

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 77, 0, last).into()
}

fn v6(last: u16) -> IpAddr {
    Ipv6Addr::new(0xff08, 0, 0, 0, 0, 0, 0, last).into()
}

fn spm(address: IpAddr) -> Spm {
    Spm {
        sqn: Sqn(7),
        trail: Sqn(100),
        lead: Sqn(200),
        address,
    }
}

fn nak(kind: NakKind, source: IpAddr, group: IpAddr) -> Nak {
    Nak {
        kind,
        sqn: Sqn(u32::MAX),
        source,
        group,
        parity: false,
    }
}

/// The sizes are those of the reference: "SPM 20 / 32, data 8, NAK 20 / 44, SPMR nothing".
#[test]
fn spms_have_their_layout() {
    for (address, fin, len) in [
        (v4(1), false, 36),
        (v4(1), true, 44),
        (v6(1), false, 48),
        (v6(1), true, 56),
    ] {
        let mut out = Vec::new();
        write_spm(&HEADER, &spm(address), fin, &mut out);
        assert_eq!(out.len(), len);
        let packet = Packet::parse(&out).unwrap();
        assert_eq!(packet.header, HEADER);
        let Body::Spm(read, options) = packet.body else {
            panic!("{packet:?}")
        };
        assert_eq!(read, spm(address));
        assert_eq!((options.fin, options.syn, options.rst), (fin, false, false));
    }
    let mut out = Vec::new();
    write_spm(&HEADER, &spm(v4(1)), true, &mut out);
    out[6..8].fill(0);
    assert_eq!(
        out[..16],
        *b"\x12\x34\x15\xb3\0\x01\0\0\xb7\xc6\xd1\xbc\x03\x8a\0\0"
    );
    assert_eq!(out[36..], *b"\0\x04\0\x08\x8e\x04\0\0");
}

#[test]
fn naks_carry_up_to_63_numbers() {
    for count in [0, 1, 11, 62, 63, 100] {
        for (kind, byte) in [
            (NakKind::Nak, 8),
            (NakKind::Null, 9),
            (NakKind::Confirmation, 10),
        ] {
            for (source, group, len) in [(v4(1), v4(2), 36), (v6(1), v6(2), 60)] {
                let more: Vec<Sqn> = (0..count).map(Sqn).collect();
                let mut out = Vec::new();
                write_nak(&HEADER, &nak(kind, source, group), &more, &mut out);
                let kept = (count as usize).min(62);
                assert_eq!(out.len(), len + if kept > 0 { 8 + 4 * kept } else { 0 });
                assert_eq!(out[4], byte);
                assert_eq!(out[5], if kept > 0 { 3 } else { 0 });
                let Body::Nak(read, options) = Packet::parse(&out).unwrap().body else {
                    panic!("no NAK")
                };
                assert_eq!(read, nak(kind, source, group));
                assert_eq!(options.nak_list.len(), kept);
                assert!(options.nak_list.iter().eq(more[..kept].iter().copied()));
            }
        }
    }
}

#[test]
fn an_spmr_is_a_header() {
    let mut out = Vec::new();
    write_spmr(&HEADER, &mut out);
    assert_eq!(out.len(), 16);
    assert_eq!(Packet::parse(&out).unwrap().body, Body::Spmr);
}

#[test]
fn data_is_sealed_anew_each_time() {
    let payload: Vec<u8> = (0..1401_u32).map(|i| i as u8).collect();
    let fragment = Some(Fragment {
        first: Sqn(5),
        offset: 3,
        length: 2000,
    });
    for (fragment, len) in [(None, 24), (fragment, 44)] {
        let mut kept = Vec::new();
        put_data_head(&HEADER, Sqn(6), fragment, payload.len(), &mut kept);
        let head = DataHead::of(&kept, &payload);
        kept.extend_from_slice(&payload);
        for (repair, trail) in [(false, 0), (true, 6), (true, 5)] {
            let mut sent = kept.clone();
            head.finish(&mut sent, repair, Sqn(trail));
            assert_eq!(sent.len(), len + payload.len());
            let Body::Data(data) = Packet::parse(&sent).unwrap().body else {
                panic!("no data")
            };
            let expected = Data {
                repair,
                sqn: Sqn(6),
                trail: Sqn(trail),
                fragment,
                parity: false,
                payload: &payload,
            };
            assert_eq!(data, expected);
        }
    }
}

fn data(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_data(&HEADER, Sqn(9), Sqn(3), None, payload, &mut out);
    out
}

/// Changes bytes and sets the checksum right.
fn forge(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), Fault> {
    change(&mut bytes);
    bytes[6..8].fill(0);
    let checksum = checksum::of(checksum::sum(&bytes));
    bytes[6..8].copy_from_slice(&checksum.to_be_bytes());
    Packet::parse(&bytes).map(drop)
}

#[test]
fn the_checksum_is_asked_for_where_it_matters() {
    let mut bytes = data(b"abc");
    bytes[6..8].fill(0);
    assert_eq!(Packet::parse(&bytes), Err(Fault::Checksum));
    let mut bytes = data(b"abc");
    bytes[26] ^= 1;
    assert_eq!(Packet::parse(&bytes), Err(Fault::Checksum));
    // "checksum-less SPM accepted"
    let mut bytes = Vec::new();
    write_spm(&HEADER, &spm(v4(1)), false, &mut bytes);
    bytes[6..8].fill(0);
    assert!(Packet::parse(&bytes).is_ok());
}

#[test]
fn what_cannot_be_is_refused() {
    let whole = data(b"abc");
    for len in 0..whole.len() {
        assert!(
            forge(whole[..len].to_vec(), |b| b.resize(len.max(8), 0)).is_err(),
            "{len}"
        );
    }
    assert_eq!(forge(data(b"abc"), |b| b.push(0)), Err(Fault::TsduLength));
    assert_eq!(
        forge(data(b""), |b| b[20..24]
            .copy_from_slice(&10_u32.to_be_bytes())),
        Err(Fault::Sequence)
    );
    assert_eq!(
        forge(data(b""), |b| b[16..20].copy_from_slice(&[0x80, 0, 0, 1])),
        Err(Fault::Sequence)
    );
    assert!(forge(data(b""), |b| b[4] = 1).is_ok());
    assert!(forge(data(b""), |b| b[4] = 0x77).is_ok());

    let mut bytes = Vec::new();
    write_spm(&HEADER, &spm(v4(1)), false, &mut bytes);
    assert_eq!(
        forge(bytes.clone(), |b| b[29] = 3),
        Err(Fault::AddressFamily)
    );
    assert_eq!(
        forge(bytes.clone(), |b| b[20..24]
            .copy_from_slice(&202_u32.to_be_bytes())),
        Err(Fault::Sequence)
    );
    // An empty window is no contradiction.
    assert!(forge(bytes, |b| b[20..24].copy_from_slice(&201_u32.to_be_bytes())).is_ok());
}

#[test]
fn options_are_read_as_far_as_they_are_known() {
    let with = |options: &[u8]| {
        let options = options.to_vec();
        forge(data(b"x"), move |b| {
            b[5] = 1;
            b.splice(24..24, options);
        })
    };
    let bad = Err(Fault::Options);
    assert_eq!(with(b""), bad);
    assert_eq!(with(b"\0\x04\0\x08\x8d\x04\0\0"), Ok(()));
    assert_eq!(with(b"\0\x04\0\x04"), bad);
    assert_eq!(with(b"\0\x04\0\x09\x8d\x04\0\0"), bad);
    assert_eq!(with(b"\x01\x04\0\x08\x8d\x04\0\0"), bad);
    assert_eq!(with(b"\0\x04\0\x08\x0d\x04\0\0"), bad);
    assert_eq!(with(b"\0\x04\0\x08\x8d\x03\0\0"), bad);
    assert_eq!(with(b"\0\x04\0\x0c\x8d\x04\0\0\x8e\x04\0\0"), bad);
    assert_eq!(with(b"\0\x04\0\x0c\x0d\x04\0\0\x8f\x04\0\0"), Ok(()));
    assert_eq!(with(b"\0\x04\0\x0c\x8d\x09\0\0\0\0\0\0"), bad);
    // A fragment that is none: too short, beyond its APDU.
    assert_eq!(with(b"\0\x04\0\x0c\x81\x08\0\0\0\0\0\0"), bad);
    let fragment = b"\0\x04\0\x14\x81\x10\0\0\0\0\0\x09\0\0\0\x05\0\0\0\x05";
    assert_eq!(with(fragment), Err(Fault::Sequence));
    let fragment = b"\0\x04\0\x14\x81\x10\0\0\0\0\0\x09\0\0\0\x04\0\0\0\x05";
    assert_eq!(with(fragment), Ok(()));
    // Unknown ones: ignored, unless they ask to be known.
    assert_eq!(with(b"\0\x04\0\x08\xf0\x04\0\0"), Ok(()));
    assert_eq!(with(b"\0\x04\0\x08\xf0\x04\x01\0"), Ok(()));
    assert_eq!(with(b"\0\x04\0\x08\xf0\x04\x02\0"), Err(Fault::Refused));
    // A list of nothing, and one of three bytes.
    assert_eq!(with(b"\0\x04\0\x08\x82\x04\0\0"), bad);
    assert_eq!(with(b"\0\x04\0\x0b\x82\x07\0\0\0\0\0"), bad);
}

#[test]
fn no_bytes_make_it_panic() {
    let mut rng = crate::rng::Rng::new(1);
    let seeds = [data(b"some bytes"), {
        let mut out = Vec::new();
        let more = [Sqn(1), Sqn(2)];
        write_nak(&HEADER, &nak(NakKind::Nak, v4(1), v4(2)), &more, &mut out);
        out
    }];
    for round in 0..200_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=rng.next() % 4 {
            let at = (rng.next() as usize) % bytes.len();
            bytes[at] = rng.next() as u8;
        }
        bytes.truncate((rng.next() as usize) % (bytes.len() + 20));
        forge(
            if bytes.len() < 8 { vec![0; 8] } else { bytes },
            |_as_it_is| {},
        )
        .ok();
    }
}
