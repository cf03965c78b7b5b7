//! X.509 certificates as sprig makes them with Go's `x509.CreateCertificate`.

use std::{any::Any, borrow::Cow, net::IpAddr};

use gitops_core::go::{self, quote};
use sha2::{Digest, Sha256};

use super::{
    der::{self, Reader},
    key::PrivateKey,
    pem,
};
use crate::{
    funcs::{
        Argument, Concrete, Registry, dates,
        encoding::{Alphabet, decode_base},
        strings::printed,
    },
    template::{CallError, Context, List, Object, Str, Type, Value},
};

pub(super) fn register(registry: &mut Registry) {
    registry.add("genPrivateKey", |context: &mut Context<'_>, kind: Str| {
        context.remembered(|context| private_key(context, &kind))
    });
    registry.add("buildCustomCert", build_custom);
    registry.add(
        "genCA",
        |context: &mut Context<'_>, name: Str, days: i64| {
            let request = Request::authority(name, days);
            remembered(context, |context| {
                let key = PrivateKey::generate_rsa(context, 2048)?;
                request.self_signed(context, &key)
            })
        },
    );
    registry.add(
        "genCAWithKey",
        |context: &mut Context<'_>, name: Str, days: i64, key: Str| {
            let key = given_key(&key)?;
            let request = Request::authority(name, days);
            remembered(context, |context| request.self_signed(context, &key))
        },
    );
    registry.add(
        "genSelfSignedCert",
        |context: &mut Context<'_>, name: Str, ips: List, dns: List, days: i64| {
            let request = Request::leaf(name, &ips, &dns, days)?;
            remembered(context, |context| {
                let key = PrivateKey::generate_rsa(context, 2048)?;
                request.self_signed(context, &key)
            })
        },
    );
    registry.add(
        "genSelfSignedCertWithKey",
        |context: &mut Context<'_>, name: Str, ips: List, dns: List, days: i64, key: Str| {
            let key = given_key(&key)?;
            let request = Request::leaf(name, &ips, &dns, days)?;
            remembered(context, |context| request.self_signed(context, &key))
        },
    );
    registry.add(
        "genSignedCert",
        |context: &mut Context<'_>, name: Str, ips: List, dns: List, days: i64, ca: Certificate| {
            let issuer = Issuer::read(&ca)?;
            let request = Request::leaf(name, &ips, &dns, days)?;
            remembered(context, |context| {
                let key = PrivateKey::generate_rsa(context, 2048)?;
                request.signed(context, &key, &issuer)
            })
        },
    );
    registry.add(
        "genSignedCertWithKey",
        |context: &mut Context<'_>,
         name: Str,
         ips: List,
         dns: List,
         days: i64,
         ca: Certificate,
         key: Str| {
            let key = given_key(&key)?;
            let issuer = Issuer::read(&ca)?;
            let request = Request::leaf(name, &ips, &dns, days)?;
            remembered(context, |context| request.signed(context, &key, &issuer))
        },
    );
}

/// sprig's `certificate`: two texts.
#[derive(Clone)]
struct Certificate {
    certificate: Str,
    key: Str,
}

const TYPE_NAME: &str = "sprig.certificate";

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl Object for Certificate {
    fn type_name(&self) -> Cow<'static, str> {
        TYPE_NAME.into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Cert", Value::Str(self.certificate.clone())),
            ("Key", Value::Str(self.key.clone())),
        ]
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other
            .as_any()
            .downcast_ref::<Self>()
            .is_some_and(|other| self.certificate == other.certificate && self.key == other.key)
    }
}

impl Argument for Certificate {
    const TYPE: Type = Type::Object(TYPE_NAME);

    fn take(arguments: &mut std::slice::IterMut<'_, Value>) -> Result<Self, CallError> {
        let value = arguments.next().map(std::mem::take).unwrap_or_default();
        value.downcast::<Self>().cloned().ok_or_else(|| {
            CallError::new(format!(
                "wrong type for value; expected {TYPE_NAME}; got {}",
                value.type_name()
            ))
        })
    }
}

fn private_key(context: &mut Context<'_>, kind: &Str) -> Result<Str, CallError> {
    let key = match &*kind.to_str() {
        "" | "rsa" => PrivateKey::generate_rsa(context, 4096)?,
        "dsa" => PrivateKey::generate_dsa(context)?,
        "ecdsa" => PrivateKey::generate_ecdsa(context)?,
        "ed25519" => PrivateKey::generate_ed25519(context)?,
        _ => return Ok(Str::from([b"Unknown type ", &**kind].concat())),
    };
    Ok(key.to_pem().into())
}

fn given_key(text: &Str) -> Result<PrivateKey, CallError> {
    PrivateKey::from_pem(text)
        .map_err(|error| CallError::new(format!("parsing private key: {error}")))
}

/// A certificate and key that exist already, if they can be read.
fn build_custom(certificate: Str, key: Str) -> Result<Concrete, CallError> {
    let certificate = decode_base(Alphabet::Base64, &certificate)
        .map_err(|_| CallError::new("unable to decode base64 certificate"))?;
    let key = decode_base(Alphabet::Base64, &key)
        .map_err(|_| CallError::new("unable to decode base64 private key"))?;
    let (_, content) =
        pem::decode(&certificate).ok_or_else(|| CallError::new("unable to decode certificate"))?;
    Parsed::read(&content).ok_or_else(|| malformed("decodedCert"))?;
    PrivateKey::from_pem(&key)
        .map_err(|error| CallError::new(format!("error parsing private key: {error}")))?;
    Ok(Concrete(Value::object(Certificate {
        certificate: certificate.into(),
        key: key.into(),
    })))
}

fn malformed(variable: &str) -> CallError {
    CallError::new(format!(
        "error parsing certificate: {variable}.Bytes: x509: malformed certificate"
    ))
}

/// Remembers both texts as one.
fn remembered(
    context: &mut Context<'_>,
    make: impl FnOnce(&mut Context<'_>) -> Result<Certificate, CallError>,
) -> Result<Concrete, CallError> {
    const END: &[u8] = b"-----END CERTIFICATE-----\n";
    let text = context.remembered(|context| {
        let made = make(context)?;
        Ok(Str::from(
            [made.certificate.as_bytes(), made.key.as_bytes()].concat(),
        ))
    })?;
    let end = text
        .windows(END.len())
        .position(|window| window == END)
        .map_or(text.len(), |start| start + END.len());
    Ok(Concrete(Value::object(Certificate {
        certificate: Str::new(&text[..end]),
        key: Str::new(&text[end..]),
    })))
}

/// What a certificate shall say.
struct Request {
    common_name: Str,
    days: i64,
    ips: Vec<IpAddr>,
    dns_names: Vec<Str>,
    is_authority: bool,
}

/// Who signs it.
struct Issuer {
    parsed: Parsed,
    key: PrivateKey,
}

/// The parts of a certificate that matter for those it signs.
struct Parsed {
    subject: Vec<u8>,
    public_info: Vec<u8>,
    key_id: Vec<u8>,
}

impl Request {
    fn authority(common_name: Str, days: i64) -> Self {
        Self {
            common_name,
            days,
            ips: Vec::new(),
            dns_names: Vec::new(),
            is_authority: true,
        }
    }

    fn leaf(common_name: Str, ips: &List, dns: &List, days: i64) -> Result<Self, CallError> {
        let ips = ips
            .iter()
            .map(|ip| match ip {
                Value::Str(text) => text
                    .to_str()
                    .parse()
                    .map_err(|_| CallError::new(format!("error parsing ip: {text}"))),
                other => Err(CallError::new(format!(
                    "error parsing ip: {} is not a string",
                    printed(other)?
                ))),
            })
            .collect::<Result<_, _>>()?;
        let dns_names = dns
            .iter()
            .map(|name| match name {
                Value::Str(text) => Ok(text.clone()),
                other => Err(CallError::new(format!(
                    "error processing alternate dns name: {} is not a string",
                    printed(other)?
                ))),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            common_name,
            days,
            ips,
            dns_names,
            is_authority: false,
        })
    }

    fn self_signed(
        &self,
        context: &mut Context<'_>,
        key: &PrivateKey,
    ) -> Result<Certificate, CallError> {
        let subject = self.subject()?;
        self.create(context, key, key, &subject, None)
    }

    fn signed(
        &self,
        context: &mut Context<'_>,
        key: &PrivateKey,
        issuer: &Issuer,
    ) -> Result<Certificate, CallError> {
        let parsed = &issuer.parsed;
        self.create(context, key, &issuer.key, &parsed.subject, Some(parsed))
    }

    fn create(
        &self,
        context: &mut Context<'_>,
        key: &PrivateKey,
        signer: &PrivateKey,
        issuer: &[u8],
        parent: Option<&Parsed>,
    ) -> Result<Certificate, CallError> {
        let failure =
            |reason: &str| CallError::new(format!("error creating certificate: {reason}"));
        let algorithm = signer
            .signature_algorithm()
            .zip(signer.public_info())
            .ok_or_else(|| {
                failure("x509: certificate private key does not implement crypto.Signer")
            })?;
        let (algorithm, signer_info) = algorithm;
        if parent.is_some_and(|parent| parent.public_info != signer_info) {
            return Err(failure(
                "x509: provided PrivateKey doesn't match parent's PublicKey",
            ));
        }
        let public_info = key
            .public_info()
            .ok_or_else(|| failure("x509: unsupported public key type: *dsa.PublicKey"))?;
        let subject = self.subject()?;
        let mut serial = [0; 16];
        context.random(&mut serial)?;
        let now = dates::now(context);
        let length = go::Duration(86_400_000_000_000_i64.wrapping_mul(self.days));
        let validity = der::sequence(&[time(&now), time(&now.add(length))]);
        let authority = parent
            .filter(|parent| parent.subject != subject)
            .map(|parent| parent.key_id.as_slice())
            .filter(|key_id| !key_id.is_empty());
        let extensions = self.extensions(&public_info, authority, subject == der::sequence(&[]))?;
        let body = der::sequence(&[
            der::element(der::context(0, true), &der::unsigned(&[2])),
            der::unsigned(&serial),
            algorithm.clone(),
            issuer.to_vec(),
            validity,
            subject,
            public_info,
            der::element(der::context(3, true), &der::sequence(&extensions)),
        ]);
        let signature = signer
            .sign(&body)
            .ok_or_else(|| failure("the key cannot sign"))?;
        let certificate = der::sequence(&[body, algorithm, der::bits(&signature)]);
        Ok(Certificate {
            certificate: pem::encode("CERTIFICATE", &certificate).into(),
            key: key.to_pem().into(),
        })
    }

    /// The distinguished name: a common name, or nothing.
    fn subject(&self) -> Result<Vec<u8>, CallError> {
        const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
        if self.common_name.is_empty() {
            return Ok(der::sequence(&[]));
        }
        let name = self.common_name.as_str().ok_or_else(|| {
            CallError::new("error creating certificate: asn1: string not valid UTF-8")
        })?;
        let is_printable = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte));
        let tag = if is_printable {
            der::PRINTABLE_STRING
        } else {
            der::UTF8_STRING
        };
        let attribute = der::sequence(&[
            der::identifier(COMMON_NAME),
            der::element(tag, name.as_bytes()),
        ]);
        Ok(der::sequence(&[der::element(der::SET, &attribute)]))
    }

    fn extensions(
        &self,
        public_info: &[u8],
        authority: Option<&[u8]>,
        subject_is_empty: bool,
    ) -> Result<Vec<Vec<u8>>, CallError> {
        // Digital signature and key encipherment; for authorities also the signing of certificates.
        let usage: &[u8] = if self.is_authority {
            &[2, 0xa4]
        } else {
            &[5, 0xa0]
        };
        const SERVER: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
        const CLIENT: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
        let is_authority = if self.is_authority {
            vec![der::element(der::BOOLEAN, &[0xff])]
        } else {
            Vec::new()
        };
        let mut extensions = vec![
            extension(15, true, &der::element(der::BIT_STRING, usage)),
            extension(
                37,
                false,
                &der::sequence(&[der::identifier(SERVER), der::identifier(CLIENT)]),
            ),
            extension(19, true, &der::sequence(&is_authority)),
        ];
        if self.is_authority {
            let key_id = der::element(der::OCTET_STRING, &key_id(public_info));
            extensions.push(extension(14, false, &key_id));
        }
        if let Some(authority) = authority {
            let key_id = der::element(der::context(0, false), authority);
            extensions.push(extension(35, false, &der::sequence(&[key_id])));
        }
        let names = self.alternative_names()?;
        if !names.is_empty() {
            extensions.push(extension(17, subject_is_empty, &der::sequence(&names)));
        }
        Ok(extensions)
    }

    fn alternative_names(&self) -> Result<Vec<Vec<u8>>, CallError> {
        let mut names = Vec::new();
        for name in &self.dns_names {
            if !name.is_ascii() {
                return Err(CallError::new(format!(
                    "error creating certificate: x509: {} cannot be encoded as an IA5String",
                    quote(name)
                )));
            }
            names.push(der::element(der::context(2, false), name));
        }
        for ip in &self.ips {
            let bytes = match ip.to_canonical() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            names.push(der::element(der::context(7, false), &bytes));
        }
        Ok(names)
    }
}

impl Issuer {
    fn read(authority: &Certificate) -> Result<Self, CallError> {
        let (_, content) = pem::decode(&authority.certificate)
            .ok_or_else(|| CallError::new("unable to decode certificate"))?;
        let parsed = Parsed::read(&content).ok_or_else(|| malformed("decodedSignerCert"))?;
        let key = PrivateKey::from_pem(&authority.key)
            .map_err(|error| CallError::new(format!("error parsing private key: {error}")))?;
        Ok(Self { parsed, key })
    }
}

impl Parsed {
    fn read(encoded: &[u8]) -> Option<Self> {
        let mut outer = Reader::new(encoded);
        let mut certificate = outer.sequence()?;
        let mut body = certificate.sequence()?;
        certificate.sequence()?;
        certificate.expect(der::BIT_STRING)?;
        if !certificate.is_empty() || !outer.is_empty() {
            return None;
        }
        body.expect(der::context(0, true));
        body.expect(der::INTEGER)?;
        body.sequence()?;
        body.sequence()?;
        body.sequence()?;
        let (tag, _, subject) = body.next()?;
        let (info_tag, _, public_info) = body.next()?;
        if tag != der::SEQUENCE || info_tag != der::SEQUENCE {
            return None;
        }
        let mut key_id = Vec::new();
        while let Some((tag, content, _)) = body.next() {
            if tag == der::context(3, true) {
                key_id = subject_key_id(content).unwrap_or_default();
            }
        }
        Some(Self {
            subject: subject.to_vec(),
            public_info: public_info.to_vec(),
            key_id,
        })
    }
}

fn subject_key_id(extensions: &[u8]) -> Option<Vec<u8>> {
    let mut extensions = Reader::new(extensions).sequence()?;
    while let Some(mut extension) = extensions.sequence() {
        let identifier = extension.expect(der::OBJECT_IDENTIFIER)?;
        extension.expect(der::BOOLEAN);
        let value = extension.expect(der::OCTET_STRING)?;
        if identifier == [0x55, 0x1d, 14] {
            return Some(Reader::new(value).expect(der::OCTET_STRING)?.to_vec());
        }
    }
    None
}

/// The first 20 bytes of the hash of the key, as RFC 7093 has it.
fn key_id(public_info: &[u8]) -> Vec<u8> {
    let key = Reader::new(public_info)
        .sequence()
        .and_then(|mut info| {
            info.sequence()?;
            info.expect(der::BIT_STRING)
        })
        .unwrap_or_default();
    Sha256::digest(key.get(1..).unwrap_or_default())[..20].to_vec()
}

/// The extension `2.5.29.number`.
fn extension(number: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut elements = vec![der::identifier(&[0x55, 0x1d, number])];
    if critical {
        elements.push(der::element(der::BOOLEAN, &[0xff]));
    }
    elements.push(der::element(der::OCTET_STRING, value));
    der::sequence(&elements)
}

/// With two digits of the year until 2049.
fn time(time: &dates::Time) -> Vec<u8> {
    if (1950..2050).contains(&time.civil().year) {
        der::element(der::UTC_TIME, time.format("060102150405Z").as_bytes())
    } else {
        der::element(
            der::GENERALIZED_TIME,
            time.format("20060102150405Z").as_bytes(),
        )
    }
}
