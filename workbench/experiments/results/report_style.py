"""How the report looks: one sheet, no script, readable in print and on a narrow screen."""

STYLE = """
:root{color-scheme:light;--line:#d5d9e0;--soft:#5b6472}
body{margin:0;background:#f5f6f8;color:#15181d;font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 24px 60px}
h1{font-size:26px;margin:0 0 10px}h2{font-size:18px;margin:0 0 8px}h3{font-size:15px;margin:18px 0 6px}
section{background:#fff;border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:18px 0}
section>p{color:var(--soft);margin:0 0 12px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:6px 12px 6px 0;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--soft);white-space:nowrap}
td>span,td>b{white-space:nowrap}small{color:var(--soft);white-space:nowrap}
.pictures{display:flex;flex-direction:column;gap:18px}.pictures img{max-width:100%;align-self:flex-start}
pre,.answer{white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0;font:13px/1.45 ui-monospace,Menlo,monospace}
pre{background:#f5f6f8;border:1px solid var(--line);border-radius:6px;padding:10px}
.answer{max-height:12em;overflow:auto;min-width:14em}
a{color:#0b57a4}summary{cursor:pointer}
@media print{body{background:#fff}section{break-inside:avoid;border:0;padding:0}}
"""
