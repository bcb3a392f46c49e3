/* page_style - how an approval looks: one style sheet inside the page, named by its hash in the Content-Security-Policy, so that nothing
 * else could dress the page up. Colours are readable in light and dark (WCAG 2.2, 1.4.3: 4.5 to 1). */
#include <inttypes.h>
#include <openssl/sha.h>
#include "base/base64.h"
#include "broker/page_writer.h"

static const char style[] =
	":root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--text:#16191d;--soft:#59616c;--line:#dde1e6;--code:#f6f7f9;"
	"--accent:#3056d3;--good:#156c3a;--good-bg:#e3f4e9;--bad:#b3261e;--bad-bg:#fdeceb;--wait:#865300;--wait-bg:#fdf1d9;"
	"--odd:#9c1d5f;--odd-bg:#fbe3ef;--on:#fff}"
	"@media(prefers-color-scheme:dark){:root{--bg:#101317;--card:#191d23;--text:#e8ebef;--soft:#a2abb7;--line:#2e353f;"
	"--code:#12161b;--accent:#8fa9ff;--good:#7fd6a0;--good-bg:#12301f;--bad:#ff9c95;--bad-bg:#3a1715;--wait:#f2c069;"
	"--wait-bg:#352608;--odd:#ff9fcd;--odd-bg:#45122d;--on:#0d1013}}"
	"*{box-sizing:border-box}"
	"body{margin:0;background:var(--bg);color:var(--text);font:1rem/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif;"
	"-webkit-text-size-adjust:100%;overflow-wrap:anywhere}"
	"header,main,footer{max-width:46rem;margin:0 auto;padding:0 1rem}"
	"header{display:flex;justify-content:space-between;align-items:baseline;padding-top:1.1rem;padding-bottom:.8rem;color:var(--soft);font-size:.9rem}"
	"header b{color:var(--text);letter-spacing:.02em}"
	"header span,.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace}"
	"section,.top,.note{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.1rem 1.2rem;margin:0 0 .9rem}"
	"h1{font-size:1.4rem;line-height:1.3;margin:.7rem 0 .5rem;font-weight:650}"
	"h2{font-size:.82rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);margin:0 0 .7rem;font-weight:650}"
	"h2 small{text-transform:none;letter-spacing:0;font-weight:400;font-size:.9em}"
	"p{margin:.4rem 0}"
	".state{display:inline-block;margin:0;padding:.15rem .7rem;border-radius:2rem;font-size:.86rem;font-weight:650;background:var(--code);color:var(--soft)}"
	".state.wait{background:var(--wait-bg);color:var(--wait)}"
	".state.good{background:var(--good-bg);color:var(--good)}"
	".state.bad{background:var(--bad-bg);color:var(--bad)}"
	".soft{color:var(--soft)}"
	".jump{margin-top:.9rem}"
	".note{border-left-width:.35rem;font-weight:550}"
	".note.good{border-left-color:var(--good);background:var(--good-bg)}"
	".note.bad{border-left-color:var(--bad);background:var(--bad-bg)}"
	".bar{height:.3rem;border-radius:1rem;background:var(--line);overflow:hidden;margin-top:.8rem}"
	".bar i{display:block;height:100%;background:var(--wait);transform-origin:left}"
	"@keyframes run{to{transform:scaleX(0)}}"
	"code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;font-size:.9em}"
	"h1 code{font-size:.95em;background:var(--code);border:1px solid var(--line);border-radius:.35rem;padding:0 .3rem}"
	"pre{margin:0;padding:.8rem .9rem;background:var(--code);border:1px solid var(--line);border-radius:.5rem;white-space:pre-wrap;"
	"overflow-wrap:anywhere;line-height:1.45;tab-size:4;direction:ltr;unicode-bidi:isolate}"
	"pre bdi.k{color:var(--accent)}"
	"pre .row{display:block;padding:0 .4rem;margin:0 -.4rem;border-radius:.2rem}"
	"pre .gone{background:var(--bad-bg);color:var(--bad)}"
	"pre .new{background:var(--good-bg);color:var(--good)}"
	"pre .skip{color:var(--soft)}"
	"pre .gone bdi.k,pre .new bdi.k{color:inherit}"
	".odd{color:var(--odd);background:var(--odd-bg);border-radius:.2rem;padding:0 .12em;font-weight:650;unicode-bidi:isolate}"
	"dl{display:grid;grid-template-columns:minmax(6.5rem,auto) 1fr;gap:.45rem 1rem;margin:0}"
	"dt{color:var(--soft)}dd{margin:0}dd ul{margin:0;padding-left:1.1rem}dd .id{font-size:.85em}"
	"form{margin:0}form+form{margin-top:1.2rem;padding-top:1.2rem;border-top:1px solid var(--line)}"
	"label{display:block;font-weight:600;margin-bottom:.35rem}"
	"textarea{width:100%;font:inherit;color:inherit;background:var(--code);border:1px solid var(--soft);border-radius:.5rem;padding:.6rem .7rem;"
	"min-height:4.2rem;resize:vertical}"
	"button{font:inherit;font-weight:650;min-height:3rem;padding:.6rem 1.4rem;border-radius:.6rem;border:1px solid transparent;cursor:pointer;width:100%}"
	".approve{background:var(--good);color:var(--on)}"
	".reject{background:transparent;color:var(--bad);border-color:var(--bad);margin-top:.7rem}"
	"button:hover{filter:brightness(1.08)}"
	":focus-visible{outline:3px solid var(--accent);outline-offset:2px}"
	"a{color:var(--accent)}"
	"footer{color:var(--soft);font-size:.85rem;padding-bottom:2rem}"
	"@media(min-width:40rem){button{width:auto;min-width:13rem}h1{font-size:1.65rem}}"
	"@media(max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}section,.top,.note{padding:.95rem 1rem}}"
	"@media(prefers-reduced-motion:reduce){.bar i{animation-timing-function:steps(8)!important}}"
	"@media print{section,.top{break-inside:avoid}}";

bool page_style(struct buf *b, const struct page_bar *bar)
{
	return buf_append_text(b, style) &&
	       (bar->left_s <= 0 || buf_printf(b, ".bar i{transform:scaleX(%.3f);animation:run %" PRId64 "s linear forwards}", bar->part, bar->left_s));
}

bool page_csp(struct buf *b, struct span css)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)css.at, css.len, digest);
	return buf_append_text(b, "default-src 'none'; style-src 'sha256-") &&
	       base64_append(b, (struct span){ (const char *)digest, sizeof digest }) &&
	       buf_append_text(b, "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
}
