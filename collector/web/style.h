// The page's one style sheet; for page.cc only. Its hash goes into the Content-Security-Policy.
#pragma once

#include "collector/http/html.h"

namespace ppmm {

// Text on its background has a contrast of at least 4.5 : 1, in both colour schemes. Meaning is never in a colour
// alone: states have a shape and a word. Tables are wider than a phone: they scroll inside their box, the first column
// stays.
inline constexpr http::Markup kPageStyle(R"css(
:root{color-scheme:light dark;--bg:#f6f7f8;--card:#fff;--ink:#15191e;--soft:#56606c;--line:#dfe3e7;--mark:#0d6b62;
--mark-soft:#e2f1ee;--track:#e6eaee;--bad:#a4261d;--bad-soft:#fbeae8;--wait:#7a5300;--wait-soft:#fbf1dd;--head:#eef1f3}
@media(prefers-color-scheme:dark){:root{--bg:#101418;--card:#181d22;--ink:#e7eaed;--soft:#a2adb8;--line:#2c343c;
--mark:#5cc8b8;--mark-soft:#14332f;--track:#2a323a;--bad:#ff9a8f;--bad-soft:#3b1f1c;--wait:#efc069;--wait-soft:#352a14;
--head:#1f262c}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-behavior:smooth}
@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans","DejaVu Sans",sans-serif;
font-variant-numeric:tabular-nums}
code,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace;
font-size:.9em}
a{color:inherit;text-decoration-color:var(--soft);text-underline-offset:.18em;text-decoration-thickness:1px}
a:hover{color:var(--mark);text-decoration-color:currentColor}
:focus-visible{outline:2px solid var(--mark);outline-offset:2px;border-radius:3px}
.wrap{max-width:1320px;margin:0 auto;padding:0 24px}
.skip{position:absolute;left:-9999px}
.skip:focus{left:24px;top:8px;background:var(--card);padding:6px 12px;z-index:2}
.vh{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.top{border-bottom:1px solid var(--line);background:var(--card)}
.top .wrap{display:flex;flex-wrap:wrap;gap:4px 24px;align-items:baseline;padding-top:14px;padding-bottom:14px}
.brand{font-weight:700;letter-spacing:.02em;color:var(--mark)}
.top h1{font-size:17px;margin:0;font-weight:600;overflow-wrap:anywhere}
.top nav{margin-left:auto;display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px}
main.wrap{padding-top:28px;padding-bottom:24px}
section{margin:0 0 36px;scroll-margin-top:16px}
h2{font-size:20px;line-height:1.3;margin:0 0 10px;font-weight:650;letter-spacing:-.01em}
h2+.note{margin:-8px 0 12px}
.note{color:var(--soft);font-size:14px;margin:6px 0 0;max-width:110ch}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px}
.levels{display:grid;grid-template-columns:1fr 1fr;gap:16px;margin-bottom:16px}
.level{padding:20px 24px;display:grid;grid-template-columns:auto 1fr;gap:2px 20px;align-items:center}
.level .big{grid-row:1/4;font-size:60px;line-height:1;font-weight:700;letter-spacing:-.03em;min-width:96px;
text-align:center}
.level.now .big{color:var(--mark)}
.level.soon{border-style:dashed;border-color:var(--soft)}
.level.soon .big{color:var(--soft)}
.level h3{margin:0;font-size:13px;font-weight:600;color:var(--soft);letter-spacing:.01em}
.level p{margin:0}
.level .what{text-wrap:balance;font-weight:600;font-size:17px;line-height:1.35;overflow-wrap:anywhere}
.level .more{color:var(--soft);font-size:14px}
.watch{padding:10px 16px;margin-bottom:16px;border-color:var(--wait);border-left-width:5px;background:var(--wait-soft)}
.ladder{list-style:none;margin:0;padding:8px 24px}
.ladder li{display:grid;grid-template-columns:2.6em minmax(0,1.5fr) minmax(0,2fr) 7.5em;gap:16px;align-items:center;
padding:9px 0;border-top:1px solid var(--line)}
.ladder li:first-child{border-top:0}
.ladder .no{font-weight:700;font-size:17px}
.ladder .pc{text-align:right;font-weight:600;white-space:nowrap}
.ladder .pc small{font-weight:400;color:var(--soft);font-size:13px;white-space:normal}
.ladder .pc .none{display:none}
.ladder .t{overflow-wrap:anywhere}
.tag{display:inline-block;font-size:12px;font-weight:600;line-height:1;padding:4px 7px;border-radius:5px;
margin-left:8px;background:var(--mark-soft);color:var(--mark);white-space:nowrap;vertical-align:1px}
.tag.soon{background:none;box-shadow:inset 0 0 0 1px var(--soft);color:var(--soft)}
.bar{display:block;width:100%;height:12px;overflow:hidden;border-radius:6px}
.bar .track{fill:var(--track)}.bar .low{fill:var(--mark)}.bar .may{fill:url(#hatch)}
.hatch rect{fill:var(--mark-soft)}.hatch path{stroke:var(--mark);stroke-width:2}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:14px;line-height:1.4}
th,td{padding:9px 11px;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
thead th{background:var(--head);color:var(--soft);font-size:13px;font-weight:600;white-space:nowrap;border-top:0;
vertical-align:bottom}
thead tr+tr th{padding-top:0}
thead tr:has(+tr) th:not([rowspan]){padding-bottom:2px}
th:first-child,td:first-child{padding-left:20px}
th:last-child,td:last-child{padding-right:20px}
tbody th{font-weight:600}
.list tbody th,.list thead th:first-child{position:sticky;left:0;z-index:1}
.list tbody th{background:var(--card)}
.num{text-align:right;white-space:nowrap}
.of,td small,th small{display:block;color:var(--soft);font-size:12.5px;font-weight:400;line-height:1.35}
.num small{white-space:normal;min-width:8em}
.over{text-align:center}
.none{color:var(--soft)}
.wide{min-width:14em;max-width:26em;overflow-wrap:anywhere}
.mid{max-width:16em}
.keep{white-space:nowrap}
.name bdi,.mid bdi{display:inline-block;width:max-content;max-width:15em;overflow-wrap:anywhere;vertical-align:top}
.group th{background:var(--head);font-size:13.5px;padding-top:7px;padding-bottom:7px}
.group span{font-weight:400;color:var(--soft)}
.cmd{display:inline-block;background:var(--head);border-radius:5px;padding:2px 7px;overflow-wrap:anywhere}
.dot{display:inline-block;width:.7em;height:.7em;border-radius:50%;border:2px solid currentColor;margin-right:.5em}
.live{color:var(--mark)}.live .dot{background:currentColor}
.out{color:var(--bad)}
.grid table{min-width:1000px;table-layout:fixed}
.grid th:first-child{width:8.2em}
.grid td{padding:8px 6px}
.grid tbody th small{overflow-wrap:anywhere}
.chips{list-style:none;margin:0;padding:0}
.chip{display:flex;align-items:center;gap:6px;padding:2px 6px;border-radius:5px;text-decoration:none;font-size:13px;
white-space:nowrap;margin-bottom:2px}
.chip:hover{text-decoration:underline;color:inherit}
.chip .pc{margin-left:auto;color:inherit;font-size:12px}
.chip.gate{font-weight:600}
.ic{width:14px;height:14px;flex:none;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;
stroke-linejoin:round}
.satisfied{color:var(--mark);background:var(--mark-soft)}
.not_satisfied,.contradicted{color:var(--bad);background:var(--bad-soft)}
.undecided{color:var(--wait);background:var(--wait-soft)}
.no_source,.not_applicable,.exempt{color:var(--soft);box-shadow:inset 0 0 0 1px var(--line)}
.legend{display:flex;flex-wrap:wrap;gap:4px 10px;list-style:none;padding:0;margin:10px 0 0;font-size:13px;
align-items:center}
.legend .chip{margin:0}
.empty{padding:18px 24px;color:var(--soft)}
.bottom{border-top:1px solid var(--line);background:var(--card);color:var(--soft);font-size:14px}
.foot{padding-top:18px;padding-bottom:28px;display:flex;flex-wrap:wrap;gap:8px 28px}
.foot p{margin:0}.foot a{display:inline-block;margin-right:12px}
@media(max-width:760px){.wrap{padding-left:16px;padding-right:16px}.levels{grid-template-columns:1fr}
.level{padding:16px}.level .big{font-size:48px;min-width:64px}
.top nav{margin-left:0;width:100%}
.ladder{padding:6px 16px}
.ladder li{grid-template-columns:2.6em minmax(0,1fr) auto;gap:4px 10px}.ladder .bar{grid-column:1/4;grid-row:2}
th:first-child,td:first-child{padding-left:14px}
.name bdi{max-width:9em}
.list .wide,.list .wide small{max-width:none;white-space:nowrap}
.list tbody th,.list thead th:first-child{border-right:1px solid var(--line)}
.acts thead{display:none}
.acts tr{display:grid;grid-template-columns:1fr auto;gap:2px 12px;padding:10px 16px;border-top:1px solid var(--line)}
.acts th,.acts td{border:0;padding:0 !important;position:static}.acts .group{background:var(--head)}
.acts .group th{grid-column:1/3}.acts .does{grid-column:1/3;grid-row:2}.acts .how{grid-column:1/3;grid-row:3}
.acts .wide{max-width:none}
.grid table{min-width:0}.grid thead{display:none}.grid tr{display:block;padding:12px 14px;border-top:1px solid var(--line)}
.grid tr:first-child{border-top:0}
.grid th,.grid td{display:block;border:0;padding:0 !important}.grid th:first-child{width:auto;font-size:17px}
.grid th small{display:inline;margin-left:8px}.grid td.no{display:none}
.grid td::before{content:attr(data-stage);display:block;color:var(--soft);font-size:13px;margin:8px 0 3px}
.grid .chips{display:flex;flex-wrap:wrap;gap:4px}.grid .chip{margin:0}.chip .pc{margin-left:2px}}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--mark:#0d6b62;--mark-soft:#e2f1ee;
--track:#e6eaee;--bad:#a4261d;--bad-soft:#fff;--wait:#7a5300;--wait-soft:#fff;--head:#fff}
body{font-size:10.5pt}.top nav,.skip{display:none}.wrap{max-width:none;padding:0}.card{border-radius:0}
.scroll{overflow:visible}.grid table{min-width:0}table{font-size:9pt}th,td{padding:4px 5px}
tr,.chip,.level,.ladder li{break-inside:avoid}h2{break-after:avoid}
.list tbody th,.list thead th:first-child{position:static}.wide{min-width:0}
.chip{font-size:8pt;padding:0;gap:3px}.chip .pc{font-size:7pt}}
@media(forced-colors:active){.bar .track{fill:Canvas;stroke:CanvasText}.bar .low{fill:CanvasText}
.hatch rect{fill:Canvas}.hatch path{stroke:CanvasText}.tag,.chip{border:1px solid}}
)css");

}  // namespace ppmm
