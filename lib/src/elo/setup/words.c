// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What set-up says to the person who holds the board, in two languages, in flash. The whole list of
 * reasons with more room is errors/errors.def.
 */
#include "elo/base/flash.h"
#include "elo/setup/setup.h"

#define SAY(id, en, pt)                                                                            \
    static const char id##_EN[] ELO_FLASH = en;                                                    \
    static const char id##_PT[] ELO_FLASH = pt
#define BOTH(id)                                                                                   \
    {                                                                                              \
        id##_EN, id##_PT                                                                           \
    }

typedef elo_text both[ELO_LANG_COUNT];

/* --- reasons -------------------------------------------------------------------------------------
 */

SAY(PASSPHRASE,
    "The Wi-Fi does not accept this passphrase. Type it again, capitals too.",
    "O Wi-Fi não aceitou esta senha. Digite de novo, com as maiúsculas.");
SAY(NO_WIFI,
    "No Wi-Fi of this name is in reach. Check the name; it must be a 2.4 GHz network.",
    "Nenhum Wi-Fi com este nome ao alcance. Confira o nome; a rede deve ser de 2,4 GHz.");
SAY(NO_DHCP,
    "The Wi-Fi gave the board no address. Restart the router, or see that DHCP is on.",
    "O Wi-Fi não deu um endereço à placa. Reinicie o roteador ou confira se o DHCP está ligado.");
SAY(WIFI_LOST,
    "The Wi-Fi refused the board or dropped it. Move it nearer to the router.",
    "O Wi-Fi recusou a placa ou a derrubou. Aproxime-a do roteador.");
SAY(NO_DNS,
    "The Wi-Fi works, but the endpoint's name was not found. No internet, or a typing error?",
    "O Wi-Fi funciona, mas o nome do servidor não foi encontrado. Sem internet ou erro de "
    "digitação?");
SAY(REFUSED,
    "The machine of the endpoint answers, but no server listens on that port. Is it running?",
    "A máquina do servidor responde, mas nada escuta nessa porta. O servidor está ligado?");
SAY(BLOCKED,
    "The Wi-Fi works, but the server does not answer. No internet, or a firewall?",
    "O Wi-Fi funciona, mas o servidor não responde. Sem internet ou um firewall?");
SAY(CLOSED,
    "The server closed the connection. Its log says why.",
    "O servidor fechou a conexão. O registro dele diz por quê.");
SAY(CLOCK,
    "The board could not get the time, and without it certificates cannot be checked.",
    "A placa não conseguiu a hora e, sem ela, não pode conferir certificados.");
SAY(EXPIRED, "The server's certificate has expired.", "O certificado do servidor venceu.");
SAY(ROOT,
    "The server is not one that this bundle trusts. Is it a bundle of another server?",
    "O servidor não é o que este pacote reconhece. O pacote é de outro servidor?");
SAY(SERVER_NAME,
    "The server's certificate is for another name than the endpoint.",
    "O certificado do servidor é de outro nome.");
SAY(KEYPAIR,
    "The certificate is not for this board's key. Make the bundle again with `elo add`.",
    "O certificado não é da chave desta placa. Refaça o pacote com `elo add`.");
SAY(TLS,
    "The secure connection (TLS) failed. Check endpoint and port.",
    "A conexão segura (TLS) falhou. Confira o servidor e a porta.");
SAY(CERT_REFUSED,
    "The server does not accept this board's certificate. Is it active?",
    "O servidor não aceita o certificado desta placa. Ele está ativo?");
SAY(PEM,
    "A certificate or key in the bundle cannot be read. Copy it again, with BEGIN and END lines.",
    "Um certificado ou chave do pacote não pode ser lido. Copie de novo, com as linhas BEGIN e "
    "END.");
SAY(POLICY,
    "The server let the board in, then closed: its policy or client id does not fit.",
    "O servidor recebeu a placa e fechou: a política ou o client id não servem.");
SAY(SILENT, "The server did not answer in time.", "O servidor não respondeu a tempo.");
SAY(SETTING, "A setting is not valid.", "Uma configuração não é válida.");
SAY(BUNDLE, "The bundle is not complete.", "O pacote não está completo.");
SAY(LARGE, "That is too large for the board.", "Isso é grande demais para a placa.");
SAY(MALFORMED, "The bundle cannot be read.", "O pacote não pode ser lido.");
SAY(NOT_SAVED,
    "The board could not save the settings in its flash. Try again.",
    "A placa não conseguiu gravar na memória. Tente de novo.");
SAY(OTHER,
    "It did not work. Look up the number with `elo explain`.",
    "Não funcionou. Procure o número com `elo explain`.");
SAY(WORKED, "It worked.", "Funcionou.");

struct reason {
    int32_t code;
    both text;
};

static const struct reason REASONS[] ELO_FLASH = {
    {ELO_OK, BOTH(WORKED)},
    {ELO_E_WIFI_PASSPHRASE, BOTH(PASSPHRASE)},
    {ELO_E_WIFI_NOT_FOUND, BOTH(NO_WIFI)},
    {ELO_E_WIFI_DHCP, BOTH(NO_DHCP)},
    {ELO_E_WIFI_LOST, BOTH(WIFI_LOST)},
    {ELO_E_NETWORK, BOTH(WIFI_LOST)},
    {ELO_E_DNS, BOTH(NO_DNS)},
    {ELO_E_TCP_REFUSED, BOTH(REFUSED)},
    {ELO_E_TCP_TIMEOUT, BOTH(BLOCKED)},
    {ELO_E_TCP_CLOSED, BOTH(CLOSED)},
    {ELO_E_CLOCK, BOTH(CLOCK)},
    {ELO_E_SERVER_EXPIRED, BOTH(EXPIRED)},
    {ELO_E_ROOT, BOTH(ROOT)},
    {ELO_E_SERVER_NAME, BOTH(SERVER_NAME)},
    {ELO_E_KEYPAIR, BOTH(KEYPAIR)},
    {ELO_E_TLS_ALERT, BOTH(TLS)},
    {ELO_E_TLS_HANDSHAKE, BOTH(TLS)},
    {ELO_E_TLS_RECORD, BOTH(TLS)},
    {ELO_E_TLS_CERT_REFUSED, BOTH(CERT_REFUSED)},
    {ELO_E_ALPN, BOTH(TLS)},
    {ELO_E_BAD_PEM, BOTH(PEM)},
    {ELO_E_CONNACK_CLIENTID, BOTH(POLICY)},
    {ELO_E_CONNACK_AUTH, BOTH(POLICY)},
    {ELO_E_CONNACK_TIMEOUT, BOTH(SILENT)},
    {ELO_E_CLOSED_AFTER_CONNECT, BOTH(POLICY)},
    {ELO_E_CLOSED_AFTER_PUBLISH, BOTH(POLICY)},
    {ELO_E_CLOSED_AFTER_SUBSCRIBE, BOTH(POLICY)},
    {ELO_E_SETTING, BOTH(SETTING)},
    {ELO_E_BUNDLE, BOTH(BUNDLE)},
    {ELO_E_TOO_LARGE, BOTH(LARGE)},
    {ELO_E_MALFORMED, BOTH(MALFORMED)},
    {ELO_E_UNSUPPORTED, BOTH(PEM)},
    {ELO_E_IO, BOTH(NOT_SAVED)},
    {ELO_E_DISK_FULL, BOTH(NOT_SAVED)},
};

elo_text elo_setup_words(elo_err reason, elo_lang lang)
{
    struct reason r;
    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++) {
        elo_flash_copy(&r, &REASONS[i], sizeof r);
        if (r.code == (int32_t)reason) {
            return r.text[lang];
        }
    }
    return lang == ELO_LANG_PT ? OTHER_PT : OTHER_EN;
}

/* One text of a table of pairs. */
static elo_text pick(const both *table, unsigned i, unsigned count, elo_lang lang)
{
    both pair;
    if (i >= count) {
        return NULL;
    }
    elo_flash_copy(pair, table[i], sizeof pair);
    return pair[lang];
}

/* --- stages --------------------------------------------------------------------------------------
 */

SAY(AT_WIFI, "joining the Wi-Fi", "entrando no Wi-Fi");
SAY(AT_ADDRESS, "waiting for an address", "aguardando um endereço");
SAY(AT_CLOCK, "asking for the time", "pedindo a hora");
SAY(AT_REACH, "reaching the server", "procurando o servidor");
SAY(AT_TLS, "proving identities (TLS)", "provando identidades (TLS)");
SAY(AT_MQTT, "saying hello (MQTT)", "apresentando-se (MQTT)");

static const both STAGES[] ELO_FLASH = {BOTH(AT_WIFI),  BOTH(AT_ADDRESS), BOTH(AT_CLOCK),
                                        BOTH(AT_REACH), BOTH(AT_TLS),     BOTH(AT_MQTT)};

elo_text elo_setup_stage_words(elo_setup_stage stage, elo_lang lang)
{
    return pick(STAGES, (unsigned)stage, ELO_SETUP_STAGE_COUNT, lang);
}

/* --- settings ------------------------------------------------------------------------------------
 */

SAY(FINE, "It is fine.", "Está certo.");
SAY(EMPTY, "It must not be empty.", "Não pode ficar vazio.");
SAY(LONG, "It is too long.", "É longo demais.");
SAY(CHARACTERS,
    "It has a character that is not allowed there.",
    "Tem um caractere que não é permitido ali.");
SAY(RANGE, "The number is outside its range.", "O número está fora dos limites.");
SAY(TYPE,
    "It must be of another type: a number, or a text in quotes.",
    "Deve ser de outro tipo: um número, ou um texto entre aspas.");
SAY(LENGTH,
    "A passphrase has 8 to 63 characters; leave it empty for an open network.",
    "Uma senha tem de 8 a 63 caracteres; deixe vazia para uma rede aberta.");
SAY(KIND,
    "The sensor is one of none, dht22, dht11, ds18b20, bme280.",
    "O sensor é um de none, dht22, dht11, ds18b20, bme280.");
SAY(NO_PIN, "The chip has no such pin: GPIO 0 to 16.", "O chip não tem esse pino: GPIO 0 a 16.");
SAY(IS_FLASH,
    "GPIO 6 to 11 carry the board's own flash memory.",
    "GPIO 6 a 11 servem à memória flash da própria placa.");
SAY(IS_SERIAL, "GPIO 1 and 3 are the serial line.", "GPIO 1 e 3 são a linha serial.");
SAY(IS_STRAP,
    "This part on this pin could keep the board from starting: GPIO 0, 2 and 15 decide how it "
    "boots.",
    "Esta peça neste pino pode impedir a placa de ligar: GPIO 0, 2 e 15 decidem como ela inicia.");
SAY(IS_16,
    "GPIO 16 has no pull-up and no fast input; it is good for a relay or an LED only.",
    "GPIO 16 não tem pull-up nem entrada rápida; serve só para relé ou LED.");
SAY(SHARED, "Another part is on this pin.", "Outra peça já usa este pino.");
SAY(JSON, "The config.json cannot be read.", "O config.json não pode ser lido.");

static const both WHYS[] ELO_FLASH = {
    BOTH(FINE),      BOTH(EMPTY),    BOTH(LONG),  BOTH(CHARACTERS), BOTH(RANGE),
    BOTH(TYPE),      BOTH(LENGTH),   BOTH(KIND),  BOTH(NO_PIN),     BOTH(IS_FLASH),
    BOTH(IS_SERIAL), BOTH(IS_STRAP), BOTH(IS_16), BOTH(SHARED),     BOTH(JSON)};

elo_text elo_settings_why(elo_why why, elo_lang lang)
{
    return pick(WHYS, (unsigned)why, ELO_WHY_COUNT, lang);
}

static const char SENSOR_NONE[] ELO_FLASH = "none";
static const char SENSOR_DHT22[] ELO_FLASH = "dht22";
static const char SENSOR_DHT11[] ELO_FLASH = "dht11";
static const char SENSOR_DS18B20[] ELO_FLASH = "ds18b20";
static const char SENSOR_BME280[] ELO_FLASH = "bme280";

elo_text elo_sensor_name(elo_sensor sensor)
{
    static const elo_text NAMES[] ELO_FLASH = {SENSOR_NONE, SENSOR_DHT22, SENSOR_DHT11,
                                               SENSOR_DS18B20, SENSOR_BME280};
    return sensor < ELO_SENSOR_COUNT ? NAMES[sensor] : NULL;
}

/* --- bundles -------------------------------------------------------------------------------------
 */

SAY(B_FINE, "The bundle is complete.", "O pacote está completo.");
SAY(B_EMPTY, "There is no bundle in this text.", "Não há um pacote neste texto.");
SAY(B_LARGE, "The bundle is too large for the board.", "O pacote é grande demais para a placa.");
SAY(B_UNFINISHED,
    "The text ends inside a part: copy all of it.",
    "O texto acaba dentro de uma parte: copie tudo.");
SAY(B_DAMAGED,
    "This block is damaged: copy it again, with its BEGIN and END lines.",
    "Este bloco está danificado: copie de novo, com as linhas BEGIN e END.");
SAY(B_UNKNOWN, "A bundle has no block of this name.", "Um pacote não tem um bloco com este nome.");
SAY(B_ENCRYPTED,
    "A key with a password is of no use to a board.",
    "Uma chave com senha não serve para uma placa.");
SAY(B_TWO_CONFIGS, "There are two config.json in the text.", "Há dois config.json no texto.");
SAY(B_TWO_CERTS,
    "There are certificates of two devices in the text.",
    "Há certificados de dois dispositivos no texto.");
SAY(B_TWO_KEYS, "There are two keys in the text.", "Há duas chaves no texto.");
SAY(B_MANY_ROOTS,
    "There are more than three root certificates in the text.",
    "Há mais de três certificados raiz no texto.");
SAY(B_NO_CONFIG, "The config.json is missing.", "Falta o config.json.");
SAY(B_NO_ROOT, "The root certificate is missing: ca.pem.", "Falta o certificado raiz: ca.pem.");
SAY(B_NO_CERT,
    "The device's certificate is missing: cert.pem.",
    "Falta o certificado do dispositivo: cert.pem.");
SAY(B_NO_KEY, "The key is missing: key.pem.", "Falta a chave: key.pem.");

static const both BUNDLES[] ELO_FLASH = {BOTH(B_FINE),       BOTH(B_EMPTY),       BOTH(B_LARGE),
                                         BOTH(B_UNFINISHED), BOTH(B_DAMAGED),     BOTH(B_UNKNOWN),
                                         BOTH(B_ENCRYPTED),  BOTH(B_TWO_CONFIGS), BOTH(B_TWO_CERTS),
                                         BOTH(B_TWO_KEYS),   BOTH(B_MANY_ROOTS),  BOTH(B_NO_CONFIG),
                                         BOTH(B_NO_ROOT),    BOTH(B_NO_CERT),     BOTH(B_NO_KEY)};

elo_text elo_bundle_words(elo_bundle_why why, elo_lang lang)
{
    return pick(BUNDLES, (unsigned)why, ELO_BUNDLE_WHY_COUNT, lang);
}
