#include "clients/bench/page_style.h"

namespace msq::bench {

const char kPageStyle[] = R"css(
:root { color-scheme: light dark;
  --page: #f6f6f3; --surface: #fff; --ink: #14140f; --soft: #54534d; --faint: #85837a; --line: #e3e2da; --axis: #b9b8ae;
  --good: #0a6b2d; --good-back: #e2f4e6; --bad: #a81f1f; --bad-back: #fce6e4; --note-back: #fbf4dc; --note: #6b5200;
  --s0: #2a78d6; --s1: #e0632a; --s2: #178f65; --s3: #8a4fc4; --s4: #c98500; --s5: #d1478a; --s6: #4a3aa7; --s7: #6b7c14;
  --p0: #b4b2a8; --p1: #7f7d74; --p2: #7fb2ea; --p3: #2a78d6; --p4: #1b4f91; --p5: #c98500; --ring: #fff; }
@media (prefers-color-scheme: dark) { :root {
  --page: #121211; --surface: #1c1c1a; --ink: #f4f3ee; --soft: #bdbbb1; --faint: #8d8b82; --line: #33322e; --axis: #55534c;
  --good: #7fdc9b; --good-back: #12301c; --bad: #ff9a90; --bad-back: #3b1614; --note-back: #2c2612; --note: #e6cf86;
  --s0: #5a9ff0; --s1: #f0824d; --s2: #35b588; --s3: #b287e6; --s4: #dda233; --s5: #ea74ad; --s6: #9085e9; --s7: #a3b544;
  --p0: #55534c; --p1: #8d8b82; --p2: #2d5c93; --p3: #5a9ff0; --p4: #b5d5fb; --p5: #dda233; --ring: #1c1c1a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: clamp(28px, 5vw, 42px); line-height: 1.1; letter-spacing: -0.02em; margin: 4px 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 22px; letter-spacing: -0.01em; margin: 48px 0 4px; }
h3 { font-size: 16px; margin: 0; }
p { margin: 4px 0 12px; color: var(--soft); max-width: 76ch; }
.eyebrow { font-size: 13px; font-weight: 600; letter-spacing: 0.08em; text-transform: uppercase; color: var(--faint); margin: 0; }
.verdict { display: inline-block; margin: 8px 0 0; padding: 7px 14px; border-radius: 999px; font-weight: 600; }
.verdict.good { color: var(--good); background: var(--good-back); }
.verdict.bad { color: var(--bad); background: var(--bad-back); border-radius: 12px; }
.cards, .pair, .small { display: grid; gap: 16px; margin: 20px 0; }
.cards { grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.pair { grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.card, figure, .notes { background: var(--surface); border: 1px solid var(--line); border-radius: 14px; padding: 18px 20px;
  margin: 0; min-width: 0; break-inside: avoid; }
.card h3 { display: flex; align-items: center; gap: 9px; overflow-wrap: anywhere; }
.card h3 i { width: 11px; height: 11px; border-radius: 50%; flex: none; }
.big { font-size: 38px; font-weight: 650; letter-spacing: -0.02em; line-height: 1.15; margin: 8px 0 0; color: var(--ink); }
.big small { font-size: 16px; font-weight: 500; letter-spacing: 0; color: var(--soft); }
.card p.at { font-size: 14px; margin: 0 0 12px; color: var(--faint); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 3px 16px; margin: 0; font-size: 14px; }
dt { color: var(--soft); } dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
.facts { grid-template-columns: minmax(120px, max-content) 1fr; gap: 6px 20px; } .facts dd { text-align: left; overflow-wrap: anywhere; }
.notes { background: var(--note-back); border-color: transparent; color: var(--note); margin: 20px 0; }
.notes ul { margin: 6px 0 0; padding-left: 20px; } .notes li { overflow-wrap: anywhere; }
figure h3 + svg, figure h3 + div { margin-top: 12px; } figure p { font-size: 14px; margin: 2px 0 10px; } figure > svg { display: block; width: 100%; height: auto; }
figure + .scroll, .pair + .scroll, .small + .scroll { margin-top: 16px; }
.wide + .wide { margin-top: 16px; } .wide > div { overflow-x: auto; } .wide > div > svg { display: block; width: 100%; min-width: 680px; height: auto; }
.scroll { overflow-x: auto; background: var(--surface); border: 1px solid var(--line); border-radius: 14px; margin: 16px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--line); } th.text, td.text { text-align: left; }
tbody tr + tr td { border-top: 1px solid var(--line); } td:first-child, th:first-child { padding-left: 20px; }
code { font: 13.5px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
pre { background: var(--surface); border: 1px solid var(--line); border-radius: 14px; padding: 14px 20px; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere; }
svg { overflow: visible; } svg text { font-family: inherit; fill: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }
svg .middle { text-anchor: middle; } svg .end { text-anchor: end; } svg .title { fill: var(--soft); font-weight: 600; }
svg .label { fill: var(--faint); font-size: 12px; font-weight: 400; } svg .name { fill: var(--ink); font-size: 15px; font-weight: 600; }
svg .value { fill: var(--ink); font-size: 15px; font-weight: 600; }
.grid { stroke: var(--line); fill: none; } .axis { stroke: var(--axis); fill: none; } .band { opacity: 0.1; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; } .dashed { stroke-dasharray: 5 5; }
.dot { stroke: var(--ring); stroke-width: 1.5; } .hatch { fill: url(#hatch); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; margin: 8px 0 0; padding: 0; font-size: 13px; color: var(--soft); }
.legend li { display: flex; align-items: center; gap: 7px; } .key { width: 26px; height: 10px; } .box { width: 12px; height: 12px; }
.c0 { stroke: var(--s0); } .c1 { stroke: var(--s1); } .c2 { stroke: var(--s2); } .c3 { stroke: var(--s3); }
.c4 { stroke: var(--s4); } .c5 { stroke: var(--s5); } .c6 { stroke: var(--s6); } .c7 { stroke: var(--s7); }
.f0 { fill: var(--s0); background: var(--s0); } .f1 { fill: var(--s1); background: var(--s1); }
.f2 { fill: var(--s2); background: var(--s2); } .f3 { fill: var(--s3); background: var(--s3); }
.f4 { fill: var(--s4); background: var(--s4); } .f5 { fill: var(--s5); background: var(--s5); }
.f6 { fill: var(--s6); background: var(--s6); } .f7 { fill: var(--s7); background: var(--s7); }
.p0 { fill: var(--p0); } .p1 { fill: var(--p1); } .p2 { fill: var(--p2); } .p3 { fill: var(--p3); } .p4 { fill: var(--p4); }
.p5 { fill: var(--p5); }
footer { margin-top: 48px; font-size: 13px; color: var(--faint); }
@media (max-width: 560px) { main { padding: 24px 14px 40px; } .card, figure, .notes { padding: 14px; }
  figure:not(.wide) svg text { font-size: 16px; } figure:not(.wide) svg .label { font-size: 15px; }
  figure:not(.wide) svg .name, figure:not(.wide) svg .value { font-size: 19px; }
  .small figure svg text { font-size: 14px; } }
@media print { :root { color-scheme: light; } body { background: #fff; font-size: 12px; } main { max-width: none; padding: 0; }
  h2 { break-after: avoid; } .scroll { break-inside: avoid; overflow: visible; } th, td { padding: 3px 6px; white-space: normal; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
)css";

}  // namespace msq::bench
