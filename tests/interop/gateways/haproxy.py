"""HAProxy, with its own converters for JWT."""
import base64
import json

from gateway import AT_ITS_START, DIRECT, JWKS, Gateway, check, debians, template


def pem(jwk):
    """An RSA key as PEM (SubjectPublicKeyInfo): the form in which HAProxy reads it."""
    def der(tag, content):
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([128 + (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([tag]) + length + content

    def integer(text):
        return der(2, b"\0" + base64.urlsafe_b64decode(text + "=="))

    key = der(0x30, integer(jwk["n"]) + integer(jwk["e"]))
    rsa = bytes.fromhex("300d06092a864886f70d0101010500")
    info = base64.encodebytes(der(0x30, rsa + der(3, b"\0" + key))).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{info}-----END PUBLIC KEY-----\n"


def configure(folder, port):
    with DIRECT.open(JWKS) as answer:
        keys = json.load(answer)["keys"]
    for key in keys:
        (folder / f"{key['kid']}.pem").write_text(pem(key))
    lines = []
    for line in template("haproxy.cfg", port=port).splitlines():
        lines += [line.replace("@key@", str(folder / f"{key['kid']}.pem")) for key in keys] if "@key@" in line else [line]
    (folder / "haproxy.cfg").write_text("\n".join(lines) + "\n")
    return ["/usr/sbin/haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


check("HAProxy", debians("haproxy"), Gateway(configure), AT_ITS_START)
