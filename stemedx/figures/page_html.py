"""What the report holds, as a Jinja template.

A Python module and not a data file, so that the digest of the code sees a change.
"""

HTML = """
{% macro table(rows, columns, caption="", marked="") %}
<div class="scroll"><table>
{% if caption %}<caption>{{ caption }}</caption>{% endif %}
<thead><tr>
{% for name, heading in columns.items() %}
<th scope="col"{% if name in numeric %} class="number"{% endif %}>{{ heading }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in rows %}
<tr{% if marked and row[marked] == "True" %} class="recommended"{% endif %}>
{% for name in columns %}
{% if name == "status" and row[name] in statuses %}
<td><span class="badge {{ row[name] | replace(" ", "-") }}">{{ row[name] }}</span></td>
{% else %}
<td class="{{ "number" if name in numeric else "long" if name in long else "" }}">
{{- row[name] | shown(name) -}}
</td>
{% endif %}
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>
{% endmacro %}

{% macro picture(chapter, drawn) %}
<figure>
<img src="{{ chapter.pictures[drawn.place] }}" alt="{{ drawn.title }}" loading="lazy">
<figcaption>{{ drawn.caption }}
<a href="{{ chapter.folder }}/{{ drawn.place }}.svg">{{ drawn.place }}.svg</a>,
<a href="{{ chapter.folder }}/{{ drawn.place }}.csv">the numbers</a></figcaption>
</figure>
{% endmacro %}

{% macro pictures(chapter, prefix, ending="") %}
{% for drawn in chapter.facts.figures
   if drawn.place.startswith(prefix) and drawn.place.endswith(ending) %}
{{ picture(chapter, drawn) }}
{% endfor %}
{% endmacro %}

{% macro folded(chapter, prefix, ending="") %}
{% for drawn in chapter.facts.figures
   if drawn.place.startswith(prefix) and drawn.place.endswith(ending) %}
<details><summary>{{ drawn.title }}</summary>{{ picture(chapter, drawn) }}</details>
{% endfor %}
{% endmacro %}

<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<title>{{ title }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<header>
<h1>{{ title }}</h1>
<p>{{ n_finished }} of {{ specimens | length }} specimens finished
{%- if chapters %}; methods: {{ methods | join(", ") }}{% endif %}</p>
</header>
<div class="frame">
<nav aria-label="Contents"><ol>
{% if failures %}<li><a href="#failures">What failed</a></li>{% endif %}
<li><a href="#specimens">Specimens</a></li>
<li><a href="#methods">Methods compared</a></li>
{% if groups %}<li><a href="#groups">Groups</a></li>{% endif %}
{% for chapter in chapters %}
<li><a href="#{{ chapter.anchor }}">{{ chapter.name }}</a><ol>
{% for part, heading in chapter.parts.items() %}
<li><a href="#{{ chapter.anchor }}-{{ part }}">{{ heading }}</a></li>
{% endfor %}
</ol></li>
{% endfor %}
</ol></nav>
<main>

{% if failures %}
<section class="failures" id="failures">
<h2>What failed</h2>
<dl>
{% for row in failures %}
<dt>{{ row.specimen }}:
{{ "nothing of it is shown below" if row.status == "failed" else "a part of it is missing" }}</dt>
<dd>In {{ row.stage }}: {{ row.reason }}</dd>
<dd class="soft">Log: <code>{{ row.log }}</code></dd>
{% endfor %}
</dl>
<p>What is named here is not in the tables and figures below. Remove the cause and start the
same command again: only what is missing runs.</p>
</section>
{% endif %}

<section id="specimens">
<h2>Specimens</h2>
{{ table(specimens, specimen_columns) }}
</section>

<section id="methods">
<h2>Methods compared</h2>
<p>The gain tells how much better a method predicts photons that it has not seen than a map
without structure does. The method with the largest gain is recommended; it is marked. Of a
specimen without any gain above 0, no volume should be believed.</p>
{{ table(method_rows, method_columns, marked="recommended") }}
</section>

{% if groups %}
<section id="groups">
<h2>Groups</h2>
{{ table(groups, group_columns,
   "Mean ± standard deviation over the specimens of a group; each counts once.") }}
</section>
{% endif %}

{% if not chapters %}
<section><h2>No volumes</h2><p>No specimen got as far as a reconstruction.</p></section>
{% endif %}

{% for chapter in chapters %}
{% set facts = chapter.facts %}
<section id="{{ chapter.anchor }}">
<h2>{{ chapter.name }}</h2>
<ul class="facts">
<li><b>Elements</b> {{ facts.elements | join(", ") }}</li>
{% if facts.kind == "series" %}
<li><b>Tilts</b> {{ facts.tilt_deg | length }}, {{ facts.tilt_deg[0] | angle }} to
{{ facts.tilt_deg[-1] | angle }}</li>
{% endif %}
<li><b>Maps</b> {{ facts.map_shape[0] }} x {{ facts.map_shape[1] }} pixels of
{{ "%.3g" | format(facts.pixel_nm) }} nm</li>
<li><b>Signal</b> {{ facts.signal }}</li>
{% if facts.kind == "series" %}
<li><b>Recommended</b> {{ chapter.recommended or "none: no gain above 0 was measured" }}</li>
{% endif %}
</ul>

{% if facts.kind == "series" %}
<h3 id="{{ chapter.anchor }}-volumes">Volumes</h3>
<div class="views">
{% for drawn in facts.figures if drawn.place.endswith("_3d") %}
<div class="view" {% if drawn.place in chapter.views %}
data-json="{{ chapter.anchor }}-{{ drawn.place }}"{% endif %}>
<div class="stage">
<img src="{{ chapter.pictures[drawn.place] }}" alt="{{ drawn.title }}">
<div class="live"></div>
</div>
<button type="button" hidden>Turn it</button>
<a class="soft" href="{{ chapter.folder }}/{{ drawn.place }}.csv">the numbers</a>
</div>
{% if loop.last %}{% set last = drawn %}{% endif %}
{% endfor %}
</div>
<p class="soft">{{ chapter.view_caption }}</p>
{{ pictures(chapter, "reconstruct/composite") }}
{{ pictures(chapter, "reconstruct/comparison") }}
{{ folded(chapter, "reconstruct/", "_planes") }}
{{ folded(chapter, "reconstruct/", "_weights") }}
{{ folded(chapter, "reconstruct/", "_convergence") }}
{% endif %}

<h3 id="{{ chapter.anchor }}-resolution">{{ chapter.parts.resolution }}</h3>
{% if chapter.resolution %}
{{ table(chapter.resolution, chapter.resolution_columns, "Resolution in nm at each threshold of "
   "the Fourier shell correlation: median over the splits into independent halves.") }}
{% endif %}
<ul class="doubts">
{% for text in chapter.doubts %}<li>{{ text }}</li>{% endfor %}
</ul>
{{ pictures(chapter, "resolution/" ~ chapter.shown ~ "_fsc") }}
{% for method in chapter.methods if method != chapter.shown %}
{{ folded(chapter, "resolution/" ~ method ~ "_fsc") }}
{% endfor %}

{% if facts.kind == "series" %}
<h3 id="{{ chapter.anchor }}-thickness">Thickness</h3>
{% if chapter.shells %}
{{ table(chapter.shells, shell_columns,
   "Over all directions around the core of a particle, each by the area it stands for. Particles "
   "are numbered by size in the volume of each method: those of one number need not be the same; "
   "thickness.csv has their centres.") }}
{{ pictures(chapter, "thickness/" ~ chapter.shown ~ "_") }}
{% for method in chapter.methods if method != chapter.shown %}
{{ folded(chapter, "thickness/" ~ method ~ "_") }}
{% endfor %}
{% else %}
<p>No particle was found.</p>
{% endif %}
{% endif %}

<h3 id="{{ chapter.anchor }}-measured">{{ chapter.parts.measured }}</h3>
<p>Alignment: {{ facts.alignment.origin }}.
{{ "" if facts.alignment.warnings else "It warned of nothing." }}</p>
{% if facts.alignment.warnings or facts.manifest_warnings or facts.map_warnings %}
<ul class="doubts">
{% for text in facts.alignment.warnings %}<li>Alignment: {{ text }}</li>{% endfor %}
{% for text in facts.manifest_warnings %}<li>Files: {{ text }}</li>{% endfor %}
{% for text in facts.map_warnings %}<li>Spectra: {{ text }}</li>{% endfor %}
</ul>
{% endif %}
{{ pictures(chapter, "element_maps/") }}
{{ pictures(chapter, "align/") }}
{{ pictures(chapter, "denoise/") }}
{{ folded(chapter, "train_") }}

{% if facts.kind == "series" %}
<h3 id="{{ chapter.anchor }}-made">{{ chapter.parts.made }}</h3>
{% for method, made in facts.made_by.items() %}
<details><summary>{{ method }}</summary>
{% if made %}
<p>Stage <code>{{ made.stage }}</code>, code <code>{{ made.code }}</code>.
Packages: {% for name, version in made.packages.items() %}{{ name }} {{ version }}
{{- ", " if not loop.last else "." }} {% endfor %}</p>
<p>Settings: <code>{{ made.parameters | compact }}</code></p>
<p>Digests of what it read: <code>{{ made.inputs | compact }}</code></p>
{% else %}
<p>The volume does not say how it was made.</p>
{% endif %}
</details>
{% endfor %}
{% endif %}
</section>
{% endfor %}
</main>
</div>
<footer>Made by stemedx. The page holds all it shows and needs no network; links to
figures and numbers work while it lies beside its results.</footer>
{% for chapter in chapters %}
{% for place, view in chapter.views.items() %}
<script type="application/json" id="{{ chapter.anchor }}-{{ place }}">
{{- view | in_script | safe -}}
</script>
{% endfor %}
{% endfor %}
{% if plotly %}<script>{{ plotly | safe }}</script>
<script>{{ script | safe }}</script>{% endif %}
</body>
</html>
"""
