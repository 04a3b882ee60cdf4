#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
# Makes the certificates and signing requests of this folder with the openssl command (3.0 or
# later). They are committed; run this only to add one, as every run makes new keys.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# --- signing requests -------------------------------------------------------------------------
csr() { # name subject key-options...
    name=$1 subject=$2
    shift 2
    openssl genpkey -quiet "$@" -out "$tmp/$name.key" 2>/dev/null || openssl genpkey "$@" -out "$tmp/$name.key"
    openssl req -new -utf8 -nameopt utf8 -key "$tmp/$name.key" -subj "$subject" -out "$name.csr.pem"
}
ec() { echo "-algorithm EC -pkeyopt ec_paramgen_curve:$1"; }
csr rsa1024 /CN=small -algorithm RSA -pkeyopt rsa_keygen_bits:1024
csr rsa2047 /CN=small -algorithm RSA -pkeyopt rsa_keygen_bits:2047
csr rsa2048 /C=BR/O=Horta/CN=garden-7 -algorithm RSA -pkeyopt rsa_keygen_bits:2048
csr rsa-pss /CN=pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
csr p256 /CN=estação-☔ $(ec P-256)
csr p384 /CN=garden-7 $(ec P-384)
csr p521 /CN=garden-7 $(ec P-521)
csr p224 /CN=garden-7 $(ec P-224)
csr secp256k1 /CN=garden-7 $(ec secp256k1)
csr explicit /CN=garden-7 $(ec P-256) -pkeyopt ec_param_enc:explicit
csr ed25519 /CN=garden-7 -algorithm ED25519
csr no-subject / $(ec P-256)
openssl req -in p256.csr.pem -outform DER -out "$tmp/csr.der"
# The last byte belongs to the signature; and a byte of the subject ("garden" to "gaRden").
bad() { # name, sed expression over the DER in hex
    xxd -p "$tmp/csr.der" | tr -d '\n' | sed "$2" | xxd -r -p |
        { echo '-----BEGIN CERTIFICATE REQUEST-----'; base64 -w 64; echo '-----END CERTIFICATE REQUEST-----'; } >"$1.csr.pem"
}
bad bad-signature 's/..$/00/'
bad bad-subject 's/6573746/6573546/'
bad trailing 's/$/0500/'

# --- certificates -----------------------------------------------------------------------------
cat >"$tmp/conf" <<CONF
[req]
distinguished_name = dn
prompt = no
[dn]
C = US
O = IoT Devices
1.OU = LightBulb
2.OU = Kitchen
3.OU = Zweite Küche
ST = NY
CN = LightBulb Device Cert
GN = Bulb
initials = ZZ
dnQualifier = Bulb001
SN = Multi Color
title = RGB
pseudonym = RGB Device
generationQualifier = 4
serialNumber = 123
[ca]
basicConstraints = CA:TRUE
[device]
basicConstraints = CA:FALSE
subjectAltName = DNS:example.com,DNS:two.example.com,IP:1.2.3.4,IP:2001:db8::1,URI:ResourceIdentifier001,email:device1@example.com,dirName:directory
issuerAltName = DNS:issuer.com,IP:5.6.7.8,URI:PrimarySignerCA,email:primary@issuer.com,dirName:issuer
[directory]
C = US
O = IoT
OU = SmartHome, upstairs
CN = LightBulbCert
[issuer]
C = US
O = Issuer
CN = Primary Issuer CA
[nul]
2.5.29.17 = DER:30:0F:82:0D:61:00:2E:65:78:61:6D:70:6C:65:2E:6E:6F
CONF
key() { openssl genpkey "$@" 2>/dev/null; }
key $(ec P-256) >"$tmp/ca.key"
key $(ec P-256) >"$tmp/device.key"
openssl req -x509 -key "$tmp/ca.key" -subj "/C=US/O=IoT Devices/CN=IoT Devices Primary CA" -days 9999 \
    -out "$tmp/ca.pem"
openssl req -new -utf8 -config "$tmp/conf" -key "$tmp/device.key" -out "$tmp/device.csr"
openssl x509 -req -in "$tmp/device.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -days 9999 \
    -set_serial 0x921285cbb7a5e086 -extfile "$tmp/conf" -extensions device -out variables.crt.pem
self() { # name digest extra...
    name=$1 digest=$2
    shift 2
    openssl req -x509 -key "$tmp/device.key" -subj /CN=self -days 9999 "-$digest" "$@" -out "$name.crt.pem"
}
self p256 sha256
self sha1 sha1
self sha512 sha512
openssl req -x509 -key "$tmp/device.key" -config "$tmp/conf" -extensions nul -days 9999 -out nul.crt.pem
openssl req -x509 -key "$tmp/rsa2048.key" -subj /CN=self -days 9999 -sha256 -sigopt rsa_padding_mode:pss -out pss.crt.pem
openssl req -x509 -key "$tmp/ed25519.key" -subj /CN=self -days 9999 -out ed25519.crt.pem

openssl x509 -in p256.crt.pem -outform DER -out p256.crt.der
sed 's/$/\r/' p256.crt.pem >crlf.crt.pem
openssl x509 -in p256.crt.pem -text >text-before.crt.pem
cat p256.crt.pem "$tmp/ca.pem" >two.crt.pem
cat "$tmp/device.key" p256.crt.pem >key-before.crt.pem
head -c 300 p256.crt.pem >cut-short.crt.pem
tr '\n' '@' <p256.crt.pem | sed 's/@/\\n/g' >escaped.crt.pem
sed '3s/./!/' p256.crt.pem >damaged.crt.pem
cp "$tmp/device.key" only-a-key.crt.pem
cp p384.csr.pem only-a-csr.crt.pem
{ echo '-----BEGIN CERTIFICATE-----'; head -c 120 /usr/share/common-licenses/GPL-3 | base64 -w 64; echo '-----END CERTIFICATE-----'; } >no-certificate.crt.pem
{ echo '-----BEGIN CERTIFICATE-----'; { cat p256.crt.der; printf x; } | base64 -w 64; echo '-----END CERTIFICATE-----'; } >trailing.crt.pem
{ echo '-----BEGIN CERTIFICATE-----'; echo 'Proc-Type: 4,ENCRYPTED'; echo 'DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF'; echo; base64 -w 64 p256.crt.der; echo '-----END CERTIFICATE-----'; } >encrypted.crt.pem
: >empty.crt.pem

# A registered CA's device: field-ca signs field-device, both valid from 2025 to 2045, so that they
# are good at the time the API's scenarios play (2026-01-01).
openssl ecparam -name prime256v1 -genkey -noout -out "$tmp/field.key"
openssl ecparam -name prime256v1 -genkey -noout -out "$tmp/device.key"
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/db\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n[p]\ncountryName=optional\norganizationName=optional\norganizationalUnitName=optional\ncommonName=optional\nserialNumber=optional\n' \
    "$tmp" "$tmp" "$tmp" >"$tmp/field.cnf"
: >"$tmp/db"
echo 1001 >"$tmp/serial"
printf 'basicConstraints=critical,CA:TRUE\n' >"$tmp/field.ext"
openssl req -new -key "$tmp/field.key" -subj '/O=Field/CN=Field CA' -out "$tmp/field.csr"
openssl req -new -key "$tmp/device.key" -subj '/C=PT/O=Field/OU=lamps/CN=bench-7/serialNumber=4711' -out "$tmp/device.csr"
openssl ca -batch -config "$tmp/field.cnf" -selfsign -keyfile "$tmp/field.key" -in "$tmp/field.csr" -extfile "$tmp/field.ext" \
    -startdate 20250101000000Z -enddate 20450101000000Z -notext -out field-ca.crt.pem
openssl ca -batch -config "$tmp/field.cnf" -keyfile "$tmp/field.key" -cert field-ca.crt.pem -in "$tmp/device.csr" -preserveDN \
    -startdate 20250101000000Z -enddate 20450101000000Z -notext -out field-device.crt.pem
openssl x509 -in field-device.crt.pem -outform DER -out field-device.crt.der
