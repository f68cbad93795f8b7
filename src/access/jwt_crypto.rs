//! Signatures of tokens, checked by `ring`, which TLS uses as well: no second cryptographic library.
//!
//! Public keys only, and nothing is signed here.
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error as SignatureError, Verifier},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Only for making key sets out of keys, which nothing here does.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Lets the process verify tokens. May be called more than once.
pub(super) fn install() {
    // Refused when it was installed before.
    let _ = PROVIDER.install_default();
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the library's type of a function"
)]
fn signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the library's type of a function"
)]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let (family, scheme) = scheme(*algorithm).ok_or(ErrorKind::UnsupportedAlgorithm)?;
    if key.family() != family {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(RingVerifier {
        algorithm: *algorithm,
        scheme,
        key: key.clone(),
    }))
}

enum Scheme {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's algorithms, which HMAC is among; it may add some"
)]
fn scheme(algorithm: Algorithm) -> Option<(AlgorithmFamily, Scheme)> {
    use AlgorithmFamily::{Ec, Ed, Rsa};
    Some(match algorithm {
        Algorithm::RS256 => (Rsa, Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA256)),
        Algorithm::RS384 => (Rsa, Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA384)),
        Algorithm::RS512 => (Rsa, Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA512)),
        Algorithm::PS256 => (Rsa, Scheme::Rsa(&RSA_PSS_2048_8192_SHA256)),
        Algorithm::PS384 => (Rsa, Scheme::Rsa(&RSA_PSS_2048_8192_SHA384)),
        Algorithm::PS512 => (Rsa, Scheme::Rsa(&RSA_PSS_2048_8192_SHA512)),
        Algorithm::ES256 => (Ec, Scheme::Curve(&ECDSA_P256_SHA256_FIXED)),
        Algorithm::ES384 => (Ec, Scheme::Curve(&ECDSA_P384_SHA384_FIXED)),
        Algorithm::EdDSA => (Ed, Scheme::Curve(&ED25519)),
        _ => return None,
    })
}

struct RingVerifier {
    algorithm: Algorithm,
    scheme: Scheme,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        let verified = match (&self.scheme, self.key.kind()) {
            (Scheme::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Scheme::Curve(algorithm), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
            (Scheme::Rsa(_), DecodingKeyKind::SecretOrDer(_))
            | (Scheme::Curve(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                return Err(SignatureError::new());
            }
        };
        verified.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
