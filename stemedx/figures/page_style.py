"""How the report looks.

A Python module and not a data file, so that the digest of the code sees a change.
"""

STYLE = """
:root { --ink: #1b2430; --soft: #5b6673; --line: #dfe4ea; --paper: #ffffff; --wash: #f4f6f9;
  --accent: #00568a; --good: #00694d; --warn: #a34700; --warn-wash: #fff4e8; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
body { margin: 0; color: var(--ink); background: var(--wash);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
a { color: var(--accent); }
header { background: linear-gradient(120deg, #12263f, #00568a); color: white;
  padding: 1.6rem max(1rem, calc((100vw - 1240px) / 2)); }
header h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; }
header p { margin: .3rem 0 0; opacity: .9; }
.frame { max-width: 1240px; margin: 0 auto; padding: 1rem; display: grid; gap: 1.25rem;
  grid-template-columns: 13rem minmax(0, 1fr); align-items: start; }
nav { position: sticky; top: 1rem; max-height: calc(100vh - 2rem); overflow-y: auto;
  font-size: .92rem; background: var(--paper); border: 1px solid var(--line);
  border-radius: .6rem; padding: .8rem 1rem; }
nav ol { list-style: none; margin: 0; padding: 0; }
nav ol ol { padding-left: .8rem; font-size: .94em; }
nav a { display: block; padding: .16rem 0; text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { text-decoration: underline; }
main > section { background: var(--paper); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1.1rem 1.3rem; margin-bottom: 1.25rem; }
h2 { margin: 0 0 .5rem; font-size: 1.45rem; overflow-wrap: anywhere; }
h3 { margin: 1.6rem 0 .5rem; font-size: 1.12rem; border-bottom: 2px solid var(--line);
  padding-bottom: .2rem; }
h4 { margin: 1rem 0 .3rem; font-size: 1rem; }
p { margin: .4rem 0; max-width: 75ch; }
.soft { color: var(--soft); font-size: .92rem; }
main > .failures { border-left: .4rem solid var(--warn); background: var(--warn-wash); }
.failures dt { font-weight: 650; margin-top: .7rem; }
.failures dd { margin: .1rem 0 0 1rem; overflow-wrap: anywhere; }
.doubts { background: var(--warn-wash); border-left: .3rem solid var(--warn);
  padding: .6rem 1rem .6rem 2rem; margin: .8rem 0; border-radius: 0 .4rem .4rem 0; }
.doubts li { margin: .3rem 0; max-width: 75ch; }
code { font: .88em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .92rem; min-width: 50%; }
caption { text-align: left; color: var(--soft); font-size: .92rem; padding: .2rem 0; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
td { max-width: 26rem; overflow-wrap: break-word; }
th { background: var(--wash); font-weight: 620; white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.long { min-width: 17rem; }
th.number { text-align: right; }
tr.recommended td { background: #e9f5f0; }
.badge { display: inline-block; border-radius: 1rem; padding: 0 .6rem; font-size: .86rem;
  font-weight: 620; white-space: nowrap; color: white; background: var(--good); }
.badge.failed, .badge.partly-failed { background: var(--warn); }
.views { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
.view { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem; min-width: 0; }
.view .stage { position: relative; aspect-ratio: 25 / 24; }
.view img, .view .live { position: absolute; inset: 0; width: 100%; height: 100%; }
.view img { object-fit: contain; }
.view .live { display: none; background: white; }
.view.on { grid-column: 1 / -1; }
.view.on .stage { aspect-ratio: auto; height: min(75vh, 44rem); }
.view.on .live { display: block; }
.view.on img { visibility: hidden; }
.view button { font: inherit; color: white; background: var(--accent); border: 0; cursor: pointer;
  border-radius: .4rem; padding: .3rem .8rem; }
.view a { white-space: nowrap; }
.view button:focus-visible, summary:focus-visible { outline: 3px solid #e69f00; }
figure { margin: .9rem 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 80ch; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; padding: 0 .9rem; }
summary { cursor: pointer; padding: .5rem 0; font-weight: 600; color: var(--accent); }
.facts { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: .4rem 0; padding: 0;
  list-style: none; }
.facts b { font-weight: 620; }
footer { color: var(--soft); font-size: .88rem; max-width: 1240px; margin: 0 auto; padding: 1rem; }
@media (max-width: 900px) {
  .frame { grid-template-columns: minmax(0, 1fr); padding: .6rem; }
  nav { position: static; max-height: 14rem; }
  main > section { padding: .9rem; }
  header h1 { font-size: 1.5rem; }
}
@media print {
  body { background: white; font-size: 10.5pt; }
  nav, .view button { display: none; }
  .frame { display: block; }
  header { background: none; color: black; padding: 0; }
  main > section { border: 0; padding: 0; }
  figure, .view, tr { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
  figure img { max-height: 20cm; }
  .scroll { overflow: visible; }
  table { font-size: 8.5pt; }
}
"""
