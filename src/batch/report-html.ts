import { Marked } from 'marked';
import { type Chart, chartMarkdown, chartTable } from '../core/report-charts.ts';
import { inlineText } from '../core/report-text.ts';
import { chartSvg } from './chart-svg.ts';
import { reportStyle } from './report-style.ts';

/**
 * A report as one HTML file that asks for nothing: no script, no image, no font. Markdown's own HTML comes out as text, so
 * that neither the pipeline's author nor what slipped through the escaping of values can bring an element in.
 */

export interface ReportParts {
  title: string;
  charts: readonly Chart[];
  /** Markdown, its values escaped. */
  body: string;
}

/** The report in Markdown; charts are tables. */
export function reportMarkdown({ title, charts, body }: ReportParts): string {
  return `${[`# ${inlineText(title)}`, ...charts.map(chartMarkdown), body.trim()].filter((part) => part !== '').join('\n\n')}\n`;
}

/** The report in HTML; charts are drawings, each with its table below. */
export async function reportHtml({ title, charts, body }: ReportParts): Promise<string> {
  const figures: string[] = [];
  for (const chart of charts) figures.push(await figure(chart));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${reportStyle}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${figures.length > 0 ? `<div class="charts">\n${figures.join('\n')}\n</div>\n` : ''}${toHtml(body)}
</main>
</body>
</html>
`;
}

async function figure(chart: Chart): Promise<string> {
  if ('problem' in chart || chart.points.length === 0) return `<figure>${toHtml(chartMarkdown(chart))}</figure>`;
  const svg = await chartSvg(chart.type, chart.points);
  const caption = escapeHtml(chart.title);
  const named = svg.replace('<svg ', `<svg role="img" aria-label="${caption}" `);
  const table = `<details><summary>Data</summary>${toHtml(chartTable(chart.points))}</details>`;
  return `<figure>\n<figcaption>${caption}</figcaption>\n${named}\n${table}\n</figure>`;
}

/** What a link may lead to: nothing that runs or carries its content with it. */
const allowedLink = /^(?:https?:\/\/|mailto:)/i;

const marked = new Marked({
  gfm: true,
  async: false,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ text }) => escapeHtml(text),
    link({ href, tokens }) {
      const inner = this.parser.parseInline(tokens);
      if (!allowedLink.test(href)) return inner;
      return `<a href="${escapeHtml(href)}" rel="noopener noreferrer nofollow">${inner}</a>`;
    },
  },
});

function toHtml(markdown: string): string {
  return marked.parse(markdown, { async: false });
}

function escapeHtml(text: string): string {
  return text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');
}
