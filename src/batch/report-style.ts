/** The style of a report: for reading, on white and on dark, on a screen and on paper. */
export const reportStyle = `
:root { color-scheme: light dark; --text: #1c2024; --soft: #5b636b; --line: #dde1e5; --back: #fff; --panel: #f6f7f8; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e7ea; --soft: #9aa3ab; --line: #343a40; --back: #15181b; --panel: #1e2226; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 52rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 2rem 0 .6rem; }
h1 { font-size: 1.9rem; margin-top: 0; padding-bottom: .8rem; border-bottom: 2px solid var(--accent); }
h2 { font-size: 1.4rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.12rem; }
h4, h5, h6 { font-size: 1rem; }
a { color: var(--accent); }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem; border-bottom: 1px solid var(--line); }
/* Names stand in the first column: beside a long text their words would be cut to letters. */
th, td:first-child { overflow-wrap: break-word; }
th { color: var(--soft); font-weight: 600; font-size: .9rem; }
blockquote { margin: 1rem 0; padding: .5rem 1rem; border-left: 3px solid #d55e00; background: var(--panel); }
blockquote p { margin: 0; }
pre { padding: 1rem; overflow-x: auto; background: var(--panel); border-radius: 6px; font-size: .875rem; }
figure { margin: 1.5rem 0; padding: 1rem; background: var(--panel); border-radius: 8px; break-inside: avoid; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
figure h3 { margin-top: 0; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--text); stroke: none; }
details { color: var(--soft); font-size: .9rem; }
hr { border: 0; border-top: 1px solid var(--line); }
`;
