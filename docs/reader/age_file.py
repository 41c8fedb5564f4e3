"""Opens age files (c2sp.org/age) of X25519 recipients."""
import base64, hashlib, hmac
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

def b64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))

def bech32_payload(text):
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    values = [alphabet.index(c) for c in text.lower().rsplit("1", 1)[1]][:-6]
    bits = "".join(f"{v:05b}" for v in values)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits) // 8 * 8, 8))

def hkdf(salt, info, secret):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(secret)

class Identity:
    def __init__(self, text):
        self.key = X25519PrivateKey.from_private_bytes(bech32_payload(text))
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def file_key(self, share, body):
        shared = self.key.exchange(X25519PublicKey.from_public_bytes(share))
        key = hkdf(share + self.public, b"age-encryption.org/v1/X25519", shared)
        return ChaCha20Poly1305(key).decrypt(bytes(12), body, None)

def age_decrypt(data, identity):
    head, rest = data.split(b"\n--- ", 1)
    mac, payload = rest.split(b"\n", 1)
    lines = head.decode().split("\n")
    for i, line in enumerate(lines):
        if line.startswith("-> X25519 "):
            try:
                file_key = identity.file_key(b64(line.split(" ")[2]), b64(lines[i + 1]))
            except Exception:
                continue
            expected = hmac.new(hkdf(b"", b"header", file_key), head + b"\n---", hashlib.sha256).digest()
            assert hmac.compare_digest(expected, b64(mac.decode())), "the age header was altered"
            stream = ChaCha20Poly1305(hkdf(payload[:16], b"payload", file_key))
            parts = [payload[at:at + 65552] for at in range(16, len(payload), 65552)]
            last = len(parts) - 1
            return b"".join(stream.decrypt(n.to_bytes(11, "big") + bytes([n == last]), part, None) for n, part in enumerate(parts))
    return None
