"""Opens age files (c2sp.org/age) of X25519 recipients."""
import base64, hmac, re
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

def hkdf(salt, info, secret):
    """The first 32 bytes of HKDF-SHA-256 (RFC 5869)."""
    return hmac.digest(hmac.digest(salt, secret, "sha256"), info + b"\1", "sha256")

def identity(text):
    """The key that AGE-SECRET-KEY-1... stands for, in Bech32."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    values = [alphabet.index(c) for c in text.lower().rsplit("1", 1)[1]][:-6]
    bits = "".join(f"{v:05b}" for v in values)
    return X25519PrivateKey.from_private_bytes(int(bits[:256], 2).to_bytes(32, "big"))

def file_key(identity, share, body):
    shared = identity.exchange(X25519PublicKey.from_public_bytes(share))
    key = hkdf(share + identity.public_key().public_bytes_raw(), b"age-encryption.org/v1/X25519", shared)
    return ChaCha20Poly1305(key).decrypt(bytes(12), body, None)

def age_decrypt(data, identity):
    """What is in an age file; none if it is not for this identity."""
    head, rest = data.split(b"\n--- ", 1)
    mac, payload = rest.split(b"\n", 1)
    for share, body in re.findall(rb"\n-> X25519 (\S+)\n(\S+)", head):  # 32 bytes each, without padding
        try:
            key = file_key(identity, base64.b64decode(share + b"="), base64.b64decode(body + b"="))
        except Exception:
            continue
        expected = hmac.digest(hkdf(b"", b"header", key), head + b"\n---", "sha256")
        assert hmac.compare_digest(expected, base64.b64decode(mac + b"=")), "the age header was altered"
        stream = ChaCha20Poly1305(hkdf(payload[:16], b"payload", key))
        parts = [payload[at:at + 65552] for at in range(16, len(payload), 65552)]
        numbered = ((n.to_bytes(11, "big") + bytes([n == len(parts) - 1]), part) for n, part in enumerate(parts))
        return b"".join(stream.decrypt(nonce, part, None) for nonce, part in numbered)
    return None
