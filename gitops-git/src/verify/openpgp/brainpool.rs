//! ECDSA on the Brainpool curves (RFC 5639), which the crypto library lacks. Verification only.

use num_bigint::BigUint;

/// Which curve, by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    P256,
    P384,
    P512,
}

impl Size {
    /// The curve by the last number of its object identifier.
    pub(super) fn of(last: u8) -> Option<Self> {
        Some(match last {
            0x07 => Self::P256,
            0x0b => Self::P384,
            0x0d => Self::P512,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P512 => 64,
        }
    }
}

/// y² = x³ + ax + b modulo p, with a point of order n.
struct Curve {
    p: BigUint,
    a: BigUint,
    b: BigUint,
    generator: Point,
    n: BigUint,
}

/// A point as x / z², y / z³; the neutral one has z = 0.
#[derive(Clone)]
struct Point {
    x: BigUint,
    y: BigUint,
    z: BigUint,
}

/// `Some` where the signature (r, s) of this hash is by the key `point` (4, x, y).
pub(super) fn verify(size: Size, point: &[u8], hash: &[u8], r: &[u8], s: &[u8]) -> Option<()> {
    let curve = Curve::of(size);
    let coordinates = point.strip_prefix(&[4])?;
    if coordinates.len() != 2 * size.bytes() {
        return None;
    }
    let (x, y) = coordinates.split_at(size.bytes());
    let key = curve.point(BigUint::from_bytes_be(x), BigUint::from_bytes_be(y))?;
    let (r, s) = (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s));
    let in_range = |number: &BigUint| *number > BigUint::ZERO && *number < curve.n;
    if !in_range(&r) || !in_range(&s) {
        return None;
    }
    let hash = BigUint::from_bytes_be(&hash[..hash.len().min(size.bytes())]);
    let inverse = s.modinv(&curve.n)?;
    let u = hash * &inverse % &curve.n;
    let v = &r * &inverse % &curve.n;
    let sum = curve.combine(&u, &v, &key);
    let z = sum.z.modinv(&curve.p)?;
    let x = sum.x * &z % &curve.p * &z % &curve.p;
    (x % &curve.n == r).then_some(())
}

impl Curve {
    fn of(size: Size) -> Self {
        let [p, a, b, x, y, n] = constants(size).map(|text| {
            BigUint::parse_bytes(text.as_bytes(), 16).expect("the constants are hex digits")
        });
        Self {
            p,
            a,
            b,
            generator: Point {
                x,
                y,
                z: BigUint::from(1_u8),
            },
            n,
        }
    }

    /// A point that lies on the curve.
    fn point(&self, x: BigUint, y: BigUint) -> Option<Point> {
        let on_curve = x < self.p
            && y < self.p
            && &y * &y % &self.p == (&x * &x * &x + &self.a * &x + &self.b) % &self.p;
        on_curve.then(|| Point {
            x,
            y,
            z: BigUint::from(1_u8),
        })
    }

    /// u times the generator plus v times the key, bit by bit.
    fn combine(&self, u: &BigUint, v: &BigUint, key: &Point) -> Point {
        let both = self.add(&self.generator, key);
        let mut sum = Point {
            x: BigUint::from(1_u8),
            y: BigUint::from(1_u8),
            z: BigUint::ZERO,
        };
        for bit in (0..u.bits().max(v.bits())).rev() {
            sum = self.double(&sum);
            sum = match (u.bit(bit), v.bit(bit)) {
                (true, true) => self.add(&sum, &both),
                (true, false) => self.add(&sum, &self.generator),
                (false, true) => self.add(&sum, key),
                (false, false) => sum,
            };
        }
        sum
    }

    fn times(&self, a: &BigUint, b: &BigUint) -> BigUint {
        a * b % &self.p
    }

    fn minus(&self, a: &BigUint, b: &BigUint) -> BigUint {
        (a + &self.p - b) % &self.p
    }

    fn double(&self, point: &Point) -> Point {
        let square = self.times(&point.y, &point.y);
        let s = self.times(&(&point.x << 2), &square);
        let z2 = self.times(&point.z, &point.z);
        let m = (self.times(&point.x, &point.x) * 3_u8
            + self.times(&self.a, &self.times(&z2, &z2)))
            % &self.p;
        let x = self.minus(&self.times(&m, &m), &((&s << 1) % &self.p));
        let fourth = self.times(&(&square << 3), &square);
        let y = self.minus(&self.times(&m, &self.minus(&s, &x)), &fourth);
        let z = self.times(&(&point.y << 1), &point.z);
        Point { x, y, z }
    }

    fn add(&self, a: &Point, b: &Point) -> Point {
        if a.z == BigUint::ZERO {
            return b.clone();
        }
        if b.z == BigUint::ZERO {
            return a.clone();
        }
        let (az, bz) = (self.times(&a.z, &a.z), self.times(&b.z, &b.z));
        let (u, v) = (self.times(&a.x, &bz), self.times(&b.x, &az));
        let s = self.times(&self.times(&a.y, &bz), &b.z);
        let t = self.times(&self.times(&b.y, &az), &a.z);
        let h = self.minus(&v, &u);
        let r = self.minus(&t, &s);
        if h == BigUint::ZERO {
            return if r == BigUint::ZERO {
                self.double(a)
            } else {
                Point {
                    z: BigUint::ZERO,
                    ..a.clone()
                }
            };
        }
        let h2 = self.times(&h, &h);
        let h3 = self.times(&h2, &h);
        let uh2 = self.times(&u, &h2);
        let x = self.minus(
            &self.minus(&self.times(&r, &r), &h3),
            &((&uh2 << 1) % &self.p),
        );
        let y = self.minus(&self.times(&r, &self.minus(&uh2, &x)), &self.times(&s, &h3));
        let z = self.times(&self.times(&a.z, &b.z), &h);
        Point { x, y, z }
    }
}

/// p, a, b, the generator's x and y, n.
fn constants(size: Size) -> [&'static str; 6] {
    match size {
        Size::P256 => [
            "a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377",
            "7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9",
            "26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6",
            "8bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262",
            "547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997",
            "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
        ],
        Size::P384 => [
            "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53",
            "7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826",
            "04a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11",
            "1d1c64f068cf45ffa2a63a81b7c13f6b8847a3e77ef14fe3db7fcafe0cbd10e8e826e03436d646aaef87b2e247d4af1e",
            "8abe1d7520f9c2a45cb1eb8e95cfd55262b70b29feec5864e19c054ff99129280e4646217791811142820341263c5315",
            "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565",
        ],
        Size::P512 => [
            "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3",
            "7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94ca",
            "3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94cadc083e67984050b75ebae5dd2809bd638016f723",
            "81aee4bdd82ed9645a21322e9c4c6a9385ed9f70b5d916c1b43b62eef4d0098eff3b1f78e2d0d48d50d1687b93b97d5f7c6d5047406a5e688b352209bcb9f822",
            "7dde385d566332ecc0eabfa9cf7822fdf209f70024a57b1aa000c55b881f8111b2dcde494a5f485e5bca4bd88a2763aed1ca2b2fa8f0540678cd1e0f3ad80892",
            "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069",
        ],
    }
}
