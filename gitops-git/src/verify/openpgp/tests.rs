use super::*;

/// The version 6 certificate and the signed text of RFC 9580, appendix A.
const CERTIFICATE_6: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

xioGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laPCsQYf
GwoAAABCBYJjh3/jAwsJBwUVCg4IDAIWAAKbAwIeCSIhBssYbE8GCaaX5NUt+mxy
KwwfHifBilZwj2Ul7Ce62azJBScJAgcCAAAAAK0oIBA+LX0ifsDm185Ecds2v8lw
gyU2kCcUmKfvBXbAf6rhRYWzuQOwEn7E/aLwIwRaLsdry0+VcallHhSu4RN6HWaE
QsiPlR4zxP/TP7mhfVEe7XWPxtnMUMtf15OyA51YBM4qBmOHf+MZAAAAIIaTJINn
+eUBXbki+PSAld2nhJh/LVmFsS+60WyvXkQ1wpsGGBsKAAAALAWCY4d/4wKbDCIh
BssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce62azJAAAAAAQBIKbpGG2dWTX8
j+VjFM21J0hqWlEg+bdiojWnKfA5AQpWUWtnNwDEM0g12vYxoWM8Y81W+bHBw805
I8kWVkXU6vFOi+HWvv/ira7ofJu16NnoUkhclkUrk0mXubZvyl4GBg==
-----END PGP PUBLIC KEY BLOCK-----
";
const SIGNATURE_6: &str = "-----BEGIN PGP SIGNATURE-----

wpgGARsKAAAAKQWCY5ijYyIhBssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce6
2azJAAAAAGk2IHZJX1AhiJD39eLuPBgiUU9wUA9VHYblySHkBONKU/usJ9BvuAqo
/FvLFuGWMbKAdA+epq7V4HOtAPlBWmU8QOd6aud+aSunHQaaEJ+iTFjP2OMW0KBr
NK2ay45cX1IVAQ==
-----END PGP SIGNATURE-----
";
const TEXT_6: &[u8] =
    b"What we need from the grocery store:\r\n\r\n- tofu\r\n- vegetables\r\n- noodles\r\n";

#[test]
fn version_6_as_the_standard_shows_it() {
    let certificates = Certificate::parse_all(CERTIFICATE_6).unwrap();
    let primary = certificates[0].keys.last().unwrap();
    assert_eq!(primary.standing, Standing::Good { expires: None });
    assert_eq!(
        hex(&primary.key.fingerprint),
        "CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9"
    );
    let block = &dearmor(SIGNATURE_6, "PGP SIGNATURE").unwrap()[0];
    let signature = Signature::parse(packets(block).unwrap()[0].1).unwrap();
    assert!(signature.names(&primary.key));
    assert!(primary.key.verify(&signature, TEXT_6));
    assert!(!primary.key.verify(&signature, b"something else"));
    // A signature of text with any line ends is not one of these bytes.
    let error = verify(&certificates, SIGNATURE_6, TEXT_6, 2_000_000_000).unwrap_err();
    assert!(error.contains("kind that is not verified"), "{error}");
}

#[test]
fn garbage_is_an_error() {
    for text in [
        "",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxv////8=\n-----END PGP PUBLIC KEY BLOCK-----",
    ] {
        assert!(Certificate::parse_all(text).is_err(), "{text}");
    }
}

/// Every byte of a good key and signature changed: nothing panics, and nothing but the original is believed.
#[test]
fn no_changed_byte_is_believed() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let block = dearmor(CERTIFICATE_6, "PGP PUBLIC KEY BLOCK")
        .unwrap()
        .remove(0);
    let armor = |bytes: &[u8]| {
        format!(
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}\n-----END PGP PUBLIC KEY BLOCK-----\n",
            STANDARD.encode(bytes)
        )
    };
    let good = |text: &str| {
        Certificate::parse_all(text).is_ok_and(|all| {
            all.iter()
                .flat_map(|one| &one.keys)
                .any(|one| matches!(one.standing, Standing::Good { .. }))
        })
    };
    assert!(good(&armor(&block)));
    // The primary key and the hashed part of its self-signature; what follows says nothing about signing.
    for at in 2..120 {
        for bit in [0x01, 0x80] {
            let mut changed = block.clone();
            changed[at] ^= bit;
            assert!(!good(&armor(&changed)), "{at} {bit}");
        }
    }
    for at in 0..block.len() {
        let _ = good(&armor(&block[..at]));
    }
}
