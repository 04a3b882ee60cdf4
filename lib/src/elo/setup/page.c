// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the portal shows: layout, style, script and words, all in flash. The marks are explained in
 * page.h, their letters in portal.c.
 */
#include "elo/setup/page.h"

#include "elo/base/flash.h"
#include "elo/setup/settings.h"

/* --- words ---------------------------------------------------------------------------------------
 */

#define W_TITLE     "\0020"
#define W_INTRO     "\0021"
#define W_FAILED    "\0022"
#define W_NETWORK   "\0023"
#define W_AGAIN     "\0024"
#define W_LISTENING "\0025"
#define W_NONE_HERE "\0026"
#define W_OTHER     "\0027"
#define W_NAME      "\0028"
#define W_PASS      "\0029"
#define W_SHOW      "\002:"
#define W_KEPT      "\002;"
#define W_BUNDLE    "\002<"
#define W_BUNDLE_IS "\002="
#define W_PICK      "\002>"
#define W_PASTE     "\002?"
#define W_HAVE      "\002@"
#define W_PARTS     "\002A"
#define W_SENSOR    "\002B"
#define W_INTERVAL  "\002C"
#define W_TEST      "\002D"
#define W_TEST_IS   "\002E"
#define W_TESTING   "\002F"
#define W_STAY      "\002G"
#define W_AWAY      "\002H"
#define W_SAVED     "\002I"
#define W_SAVED_IS  "\002J"
#define W_LOCKED    "\002K"
#define W_OPEN      "\002L"
#define W_SIGNAL    "\002M"
#define W_NOTHING   "\002N"
#define W_SWAPPED   "\002O"
#define W_CODE      "\002P"
#define W_LINE      "\002Q"
#define W_HIDE      "\002R"
#define W_READING   "\002S"
#define W_WORKED    "\002T"

#define WORDS(mark, en, pt)                                                                        \
    static const char EN_##mark[] ELO_FLASH = en;                                                  \
    static const char PT_##mark[] ELO_FLASH = pt

WORDS(TITLE, "Set up this board", "Configurar esta placa");
WORDS(INTRO,
      "Choose the Wi-Fi it shall use. It is tested before it is saved.",
      "Escolha o Wi-Fi que ela vai usar. Tudo é testado antes de ser gravado.");
WORDS(FAILED, "It did not connect", "Não conectou");
WORDS(NETWORK, "Wi-Fi network", "Rede Wi-Fi");
WORDS(AGAIN, "Search again", "Procurar de novo");
WORDS(LISTENING, "Searching for networks …", "Procurando redes …");
WORDS(NONE_HERE, "No network was heard.", "Nenhuma rede foi encontrada.");
WORDS(OTHER, "Another network", "Outra rede");
WORDS(NAME, "Network name", "Nome da rede");
WORDS(PASS, "Passphrase", "Senha");
WORDS(SHOW, "Show", "Mostrar");
WORDS(KEPT, "as before", "como antes");
WORDS(BUNDLE, "Bundle", "Pacote");
WORDS(BUNDLE_IS,
      "What elo add made for this board: config.json, ca.pem and cert.pem together.",
      "O que elo add fez para esta placa: config.json, ca.pem e cert.pem juntos.");
WORDS(PICK, "Pick the files", "Escolher os arquivos");
WORDS(PASTE, "or paste their text", "ou colar o texto");
WORDS(HAVE, "The board has the bundle of", "A placa tem o pacote de");
WORDS(PARTS, "Sensor and pins", "Sensor e pinos");
WORDS(SENSOR, "Sensor", "Sensor");
WORDS(INTERVAL, "Seconds between readings", "Segundos entre leituras");
WORDS(TEST, "Test and save", "Testar e gravar");
WORDS(TEST_IS, "Nothing is saved unless the test succeeds.", "Nada é gravado se o teste falhar.");
WORDS(TESTING, "Testing the connection", "Testando a conexão");
WORDS(STAY,
      "Stay on the board's Wi-Fi. Your phone may leave it for a moment; join it again.",
      "Continue no Wi-Fi da placa. O celular pode sair dele por um instante; entre de novo.");
WORDS(AWAY,
      "The board does not answer just now. Join its Wi-Fi again if your phone has left it.",
      "A placa não responde agora. Entre de novo no Wi-Fi dela se o celular saiu.");
WORDS(SAVED, "Saved", "Gravado");
WORDS(SAVED_IS,
      "It works. The board restarts and connects; you can close this page.",
      "Funcionou. A placa reinicia e se conecta; pode fechar esta página.");
WORDS(LOCKED, "needs a passphrase", "precisa de senha");
WORDS(OPEN, "open", "aberta");
WORDS(SIGNAL, "signal, of 4:", "sinal, de 4:");
WORDS(NOTHING, "none", "nenhum");
WORDS(SWAPPED,
      "Root and device certificate were swapped; that has been put right.",
      "Os certificados raiz e do dispositivo estavam trocados; isso foi corrigido.");
WORDS(CODE, "reason", "motivo");
WORDS(LINE, "line", "linha");
WORDS(HIDE, "Hide", "Ocultar");
WORDS(READING, "Reading the files …", "Lendo os arquivos …");
WORDS(WORKED, "The bundle is complete.", "O pacote está completo.");

typedef elo_text both[ELO_LANG_COUNT];
#define BOTH(mark)                                                                                 \
    {                                                                                              \
        EN_##mark, PT_##mark                                                                       \
    }

static const both WORDS_OF[] ELO_FLASH = {
    BOTH(TITLE),     BOTH(INTRO),     BOTH(FAILED),   BOTH(NETWORK), BOTH(AGAIN),   BOTH(LISTENING),
    BOTH(NONE_HERE), BOTH(OTHER),     BOTH(NAME),     BOTH(PASS),    BOTH(SHOW),    BOTH(KEPT),
    BOTH(BUNDLE),    BOTH(BUNDLE_IS), BOTH(PICK),     BOTH(PASTE),   BOTH(HAVE),    BOTH(PARTS),
    BOTH(SENSOR),    BOTH(INTERVAL),  BOTH(TEST),     BOTH(TEST_IS), BOTH(TESTING), BOTH(STAY),
    BOTH(AWAY),      BOTH(SAVED),     BOTH(SAVED_IS), BOTH(LOCKED),  BOTH(OPEN),    BOTH(SIGNAL),
    BOTH(NOTHING),   BOTH(SWAPPED),   BOTH(CODE),     BOTH(LINE),    BOTH(HIDE),    BOTH(READING),
    BOTH(WORKED)};

static elo_text pick(const both *table, size_t i, size_t count, elo_lang lang)
{
    both pair;
    if (i >= count) {
        return NULL;
    }
    elo_flash_copy(pair, table[i], sizeof pair);
    return pair[lang];
}

elo_text elo__page_words(uint8_t mark, elo_lang lang)
{
    return pick(WORDS_OF, (size_t)mark - '0', sizeof WORDS_OF / sizeof WORDS_OF[0], lang);
}

WORDS(R_SENSOR, "Sensor's data pin (I2C: SDA)", "Pino de dados do sensor (I2C: SDA)");
WORDS(R_SCL, "I2C clock (SCL), BME280 only", "Relógio I2C (SCL), só BME280");
WORDS(R_RELAY, "Relay", "Relé");
WORDS(R_LED, "LED", "LED");
WORDS(R_BUTTON, "Button", "Botão");

elo_text elo__role_words(unsigned role, elo_lang lang)
{
    static const both TABLE[] ELO_FLASH = {BOTH(R_SENSOR), BOTH(R_SCL), BOTH(R_RELAY), BOTH(R_LED),
                                           BOTH(R_BUTTON)};
    return pick(TABLE, role, ELO_ROLE_COUNT, lang);
}

static const char D3[] ELO_FLASH = " (D3)";
static const char D4[] ELO_FLASH = " (D4)";
static const char D2[] ELO_FLASH = " (D2)";
static const char D1[] ELO_FLASH = " (D1)";
static const char D6[] ELO_FLASH = " (D6)";
static const char D7[] ELO_FLASH = " (D7)";
static const char D5[] ELO_FLASH = " (D5)";
static const char D8[] ELO_FLASH = " (D8)";
static const char D0[] ELO_FLASH = " (D0)";

elo_text elo__pin_label(unsigned pin)
{
    static const elo_text TABLE[17] ELO_FLASH = {D3,   NULL, D4,   NULL, D2, D1, NULL, NULL, NULL,
                                                 NULL, NULL, NULL, D6,   D7, D5, D8,   D0};
    return pin < 17 ? TABLE[pin] : NULL;
}

/* --- templates -----------------------------------------------------------------------------------
 */

static const char HEAD[] ELO_FLASH = "HTTP/1.1 \001S\r\n"
                                     "Content-Type: \001C; charset=utf-8\r\n"
                                     "\004lLocation: \001A/\r\n\003"
                                     "\004aAllow: \001a\r\n\003"
                                     "Cache-Control: no-store\r\n"
                                     "Connection: close\r\n"
                                     "X-Content-Type-Options: nosniff\r\n"
                                     "X-Frame-Options: DENY\r\n"
                                     "Referrer-Policy: no-referrer\r\n"
                                     "Content-Security-Policy: default-src 'none'; style-src "
                                     "'nonce-\001N'; script-src 'nonce-\001N'; "
                                     "img-src data:; connect-src 'self'; form-action 'self'; "
                                     "base-uri 'none'; frame-ancestors 'none'\r\n"
                                     "\r\n";

static const char STYLE[] ELO_FLASH =
    ":root{color-scheme:light dark;--b:#f3f5f7;--c:#fff;--t:#15202b;--m:#56636f;--l:#d5dce2;"
    "--a:#0b6e6e;--o:#fff;--r:#a3201d;--s:#fdeceb}"
    "@media(prefers-color-scheme:dark){:root{--b:#11171c;--c:#1a222a;--t:#e8eef2;--m:#9fb0bd;"
    "--l:#33404b;--a:#4cc3bd;--o:#06201f;--r:#ff9d94;--s:#3a1d1c}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--b);color:var(--t);font:1rem/1.45 system-ui,sans-serif}"
    "main{max-width:34rem;margin:0 auto;padding:1.25rem 1rem 3rem}"
    "h1{font-size:1.5rem;line-height:1.2;margin:.25rem 0}"
    "h2,legend,summary{font-size:1.05rem;font-weight:650;padding:0}h2{margin:0 0 .25rem}"
    "p{margin:.25rem 0 .75rem}.m{color:var(--m);font-size:.92rem}"
    ".k{background:var(--c);border:1px solid var(--l);border-radius:.8rem;padding:1rem;"
    "margin:1rem 0;min-width:0}"
    "fieldset.k legend{float:left;width:100%;margin-bottom:.5rem}legend+*{clear:both}"
    ".e{background:var(--s);border-color:var(--r)}.e h2{color:var(--r)}.e p{margin-bottom:0}"
    "label.n{display:flex;align-items:center;gap:.75rem;min-height:3rem;padding:.35rem .5rem;"
    "margin:0 -.5rem;border-top:1px solid var(--l);cursor:pointer}"
    "label.n:first-of-type{border-top:0}"
    "label.n bdi{flex:1;min-width:0;overflow-wrap:anywhere}"
    "input[type=radio]{accent-color:var(--a);width:1.2rem;height:1.2rem;margin:0;flex:none}"
    "svg{flex:none;width:1rem;height:1rem;color:var(--m)}"
    ".g{display:flex;align-items:flex-end;gap:2px;flex:none}"
    ".g i{width:4px;background:var(--l);border-radius:1px}"
    ".g i:nth-child(1){height:5px}.g i:nth-child(2){height:9px}.g i:nth-child(3){height:13px}"
    ".g i:nth-child(4){height:17px}"
    ".g1 i:nth-child(-n+1),.g2 i:nth-child(-n+2),.g3 i:nth-child(-n+3),.g4 i{background:var(--a)}"
    ".f{display:block;margin:.75rem 0 "
    "0}.f>span{display:block;font-weight:600;margin-bottom:.25rem}"
    "input[type=text],input[type=password],input[type=number],select,textarea{width:100%;"
    "min-height:2.9rem;padding:.55rem .75rem;font:inherit;color:inherit;background:var(--b);"
    "border:1px solid var(--m);border-radius:.5rem}"
    "textarea{font:.85rem/1.35 ui-monospace,monospace;min-height:6.5rem;resize:vertical}"
    "input[type=file]{width:100%;font:inherit;font-size:.95rem;padding:.3rem 0}"
    ".p{display:flex;gap:.5rem}.p input{flex:1;min-width:0}"
    "button{font:inherit;font-weight:650;min-height:2.9rem;padding:.5rem 1rem;cursor:pointer;"
    "border:1px solid var(--a);border-radius:.5rem;background:none;color:var(--a)}"
    "button[form]{margin-top:.5rem}"
    "button.w{width:100%;background:var(--a);color:var(--o);font-size:1.1rem;min-height:3.25rem}"
    ":focus-visible{outline:3px solid var(--a);outline-offset:2px}"
    "summary{cursor:pointer;min-height:1.6rem}"
    ".q{display:inline-block;width:1.1rem;height:1.1rem;margin-right:.6rem;vertical-align:-."
    "15rem;"
    "border:3px solid var(--l);border-top-color:var(--a);border-radius:50%;"
    "animation:q 1s linear infinite}@keyframes q{to{transform:rotate(1turn)}}"
    "@supports selector(:has(*)){form:not(:has(#other:checked)) .y{display:none}}"
    "@media(prefers-reduced-motion:reduce){.q{animation:none}}";

/* `b` asks for the status once a second while there is something to wait for; a board that does not
 * answer may have taken its access point to another channel. */
static const char SCRIPT[] ELO_FLASH =
    "(()=>{let $=i=>document.getElementById(i),d=document,T=$('t'),say=$('say'),w=d.body.dataset;"
    "let b=async()=>{let s;try{s=await(await fetch('/status',{cache:'no-store',"
    "signal:AbortSignal.timeout(4000)})).json()}catch(e){say.textContent=w.away}"
    "if(s){if(s.state!=w.state||''+s.scanning!=w.scanning)return location.replace('/');"
    "if(w.state=='testing')say.textContent=s.text}setTimeout(b,1000)};"
    "if(w.state=='testing'||w.state=='saving'||w.scanning=='true')setTimeout(b,1000);"
    "let P=$('pass'),S=$('show');if(S){S.hidden=false;S.onclick=()=>{let h=P.type=='password';"
    "P.type=h?'text':'password';S.textContent=h?S.dataset.hide:S.dataset.show;"
    "S.setAttribute('aria-pressed',h)}}"
    "let M=$('ssid');if(M)M.oninput=()=>{$('other').checked=true};"
    "let F=$('files'),B=$('bundle'),O=$('bsay');"
    "let post=async()=>{if(!B.value.trim())return;O.textContent=O.dataset.wait;let s;"
    "try{s=await(await fetch('/bundle',{method:'POST',headers:{'Content-Type':'text/plain',"
    "'X-Elo-Token':T.value},body:B.value})).json()}catch(e){O.textContent=w.away;return}"
    "O.textContent=s.text;O.className=s.state=='failed'?'bad':'m'};"
    "if(F){$('filep').hidden=false;F.onchange=async()=>{let t='';for(let f of F.files)"
    "t+='==> '+f.name+' <==\\n'+await f.text()+'\\n';B.value=t;post()};B.onchange=post}"
    "})()";

static const char FORM[] ELO_FLASH =
    "\004i<form id=again method=post action=/scan><input type=hidden name=t value=\001T></form>"
    "<form method=post action=/try autocomplete=off>"
    "<input type=hidden name=t id=t value=\001T>"
    "<fieldset class=k><legend>" W_NETWORK "</legend><div>\003"
    "\004s<p role=status><span class=q></span><span id=say>" W_LISTENING "</span></p>\003"
    "\004e<p class=m>" W_NONE_HERE "</p>\003"
    "\004i\001R"
    "<label class=n><input type=radio name=net id=other value=\"\"\003\004m checked\003\004i>"
    "<bdi>" W_OTHER "</bdi></label>"
    "<button form=again>" W_AGAIN "</button></div>"
    "<label class=\"f y\"><span>" W_NAME "</span><input type=text name=ssid id=ssid maxlength=32 "
    "autocapitalize=none autocorrect=off spellcheck=false "
    "value=\"\003\004m\001M\003\004i\"></label>"
    "<label class=f for=pass><span>" W_PASS "</span></label>"
    "<div class=p><input type=password name=pass id=pass maxlength=64 autocapitalize=none "
    "autocorrect=off spellcheck=false autocomplete=off\003\004p placeholder=\"" W_KEPT
    "\"\003\004i>"
    "<button type=button id=show hidden aria-pressed=false aria-controls=pass data-show=\"" W_SHOW
    "\" data-hide=\"" W_HIDE "\">" W_SHOW "</button></div>"
    "</fieldset>"

    "<fieldset class=k><legend>" W_BUNDLE "</legend><div><p class=m>" W_BUNDLE_IS "</p></div>\003"
    "\004b<p>" W_HAVE " <b>\001E</b>.</p>\003"
    "\004w<p>" W_SWAPPED "</p>\003"
    "\004i<label class=f id=filep hidden><span>" W_PICK "</span><input type=file id=files multiple "
    "accept=\".json,.pem,.crt,.key,.txt,text/plain\"></label>"
    "<label class=f><span>" W_PASTE
    "</span><textarea name=bundle id=bundle rows=4 spellcheck=false "
    "autocapitalize=none placeholder=\"{&quot;thingName&quot;: …}&#10;-----BEGIN "
    "CERTIFICATE-----\">"
    "</textarea></label><p class=m id=bsay role=status data-wait=\"" W_READING "\"></p></fieldset>"

    "<details class=k><summary>" W_PARTS "</summary>"
    "<label class=f><span>" W_SENSOR "</span><select name=sensor>\001K</select></label>"
    "\001P"
    "<label class=f><span>" W_INTERVAL "</span><input type=number name=interval min=1 max=3600 "
    "value=\001J></label></details>"

    "<button class=w>" W_TEST "</button><p class=m>" W_TEST_IS "</p></form>\003";

static const char PAGE[] ELO_FLASH =
    "<!doctype html><html lang=\001L><head><meta charset=utf-8>"
    "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
    "<title>Elo · \001I</title><link rel=icon href=data:,><style nonce=\001N>\0011"
    ".bad{color:var(--r)}</style>"
    "\004z<noscript><meta http-equiv=refresh content=3></noscript>\003"
    "</head><body data-state=\001D data-scanning=\001B data-away=\"" W_AWAY "\"><main>"
    "<p class=m>Elo · \001I</p>"

    "\004t<h1>" W_TESTING "</h1><section class=k><p><span class=q></span>"
    "<b id=say role=status>\001H</b></p><p class=m>" W_STAY "</p></section>\003"

    "\004d<h1>" W_SAVED "</h1><section class=k role=status><p id=say>" W_SAVED_IS
    "</p></section>\003"

    "\004i<h1>" W_TITLE "</h1><p>" W_INTRO "</p>\003"
    "\004f<section class=\"k e\" role=alert><h2>" W_FAILED "</h2><p>\001F\001G</p></section>\003"
    "\0012"
    "</main><script nonce=\001N>\0013</script></body></html>";

static const char STATUS[] ELO_FLASH =
    "{\"state\":\"\001D\",\"scanning\":\001B,\"text\":\""
    "\004t\001H\003\004f\001F\001G\003\004d" W_SAVED_IS "\003\004g" W_WORKED "\003\"}\n";

static const char REFUSAL[] ELO_FLASH = "\001S\n";

static const char NETWORK[] ELO_FLASH =
    "<label class=n><input type=radio name=net value=\001X\004c checked\003>"
    "<bdi>\001Y</bdi>"
    "\004k<svg viewBox=\"0 0 16 16\" role=img aria-label=\"" W_LOCKED "\"><path fill=currentColor "
    "d=\"M3 7h10v8H3z\"/><path fill=none stroke=currentColor stroke-width=2 "
    "d=\"M5 8V5a3 3 0 0 1 6 0v3\"/></svg>\003"
    "\004o<span class=m>" W_OPEN "</span>\003"
    "<span class=\"g g\001Z\" role=img aria-label=\"" W_SIGNAL " \001Z\">"
    "<i></i><i></i><i></i><i></i></span></label>";

static const char SENSOR[] ELO_FLASH = "<option value=\001V\004h selected\003>\001v</option>";

static const char ROLE[] ELO_FLASH = "<label class=f><span>\001r</span>"
                                     "<select name=\001n>\001O</select></label>";

static const char PIN[] ELO_FLASH = "<option value=\001W\004j selected\003>\001w</option>";

elo_text elo__template(enum elo__template which)
{
    static const elo_text TABLE[ELO__TEMPLATE_COUNT] ELO_FLASH = {
        HEAD, PAGE, STYLE, FORM, SCRIPT, STATUS, REFUSAL, NETWORK, SENSOR, ROLE, PIN};
    return TABLE[which];
}
