"""Small templates and the context they see, for make_chat_template_goldens.py. Each must render to the same text in
our interpreter, or fail in both."""

CONTEXT = {
    "s": "Hello, World", "u": "Grüße 日本 👩‍🚀!", "e": "", "sp": "  a  b \n", "n": 7, "f": 2.5, "neg": -3, "z": 0, "t": True, "no": None,
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "ll": [[1, 2], [3, 4]], "d": {"b": 1, "a": {"x": [10, 20]}, "items": 5},
    "users": [{"name": "ann", "age": 30, "on": True}, {"name": "Bob", "age": 20, "on": False}, {"name": "cy", "age": 30}],
}

EXPRESSIONS = r"""
1 + 2 * 3
(1 + 2) * 3
7 // 2
-7 // 2
7 // -2
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
7.5 % -2
-0.0 // 3
2 ** 10
2 ** 3 ** 2
-2 ** 2
2 ** -1
0 ** -1
2 ** 0.5
(-8) ** 2
1 / 2
4 / 2
1 / 0
1 // 0
1 % 0
1.0 // 0
10 / 4 * 2
1e3
1.5e-7
1e16
123456789012345678.0
0.1 + 0.2
1e22
1e-5
100000.0
3.0
-0.0
1_000
0x1F
0b101
0o17
007
1.e5
5 / 3
n / f
true + 1
-true
+n
-s
not 0
not e
not not l
1 < 2 < 3
1 < 3 < 2
1 == 1.0
true == 1
1 == '1'
'a' < 'b'
'B' < 'a'
[1, 2] < [1, 3]
(1, 2) < (1,)
[1] < 'a'
none < 1
none == none
none != 0
{} == {}
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
[1, 2] == [1, 2]
[1, 2] == (1, 2)
1 in [1, 2]
4 not in l
'ell' in s
1 in s
'a' in d
'x' in d.a
1 in 2
x in l
'a' in missing
missing in 'a'
1 and 2
0 and 2
e or 'x'
e or z
0 or none
n if n > 5 else 0
n if n > 50
(n if n > 50) is defined
'a' if false else 'b' if false else 'c'
'a' ~ 1 ~ none ~ true ~ 1.0
'a' ~ missing ~ 'b'
'a' + 'b'
'a' + 1
1 + 'a'
'ab' * 3
3 * 'ab'
'ab' * -1
'a' * 'b'
[1] * 3
[1] + [2]
[1] + (2,)
(1,) + (2,)
[1, 'a', none, true, 1.5]
(1,)
()
(1, 2)
[]
{}
{'a': 1, 2: 'b', none: [1], (1, 2): 3}
{[1]: 2}
{'a': 1, 'a': 2}
{1: 'a', 1.0: 'b', true: 'c'}
'it\'s'
["it's", 'q"q', 'both\'"', 'n\n\t\\', 'ü', '\x00\x7f\u200b']
'a' 'b' "c"
'\x41\u00e9\U0001F600\101\q'
'a\
b'
'\xZZ'
s[0]
s[-1]
s[100]
s[1:4]
s[::-1]
s[::2]
s[-3:]
s[:-3]
s[5:2]
s[::0]
u[6:8]
u[::-1]
u | length
u[-3:]
s['x']
s[1.0]
s[true]
l[0]
l[-1]
l[5]
l[1:]
l[::-1]
l[:100]
l[-100:2]
l[2:0:-1]
l['a':]
l[none:2]
l.0
ll[1][0]
ll.1.0
(1, 2, 3)[1:]
range(5)[1:3] | list
range(5)[2]
d[1:2]
d.b
d['b']
d.a.x[1]
d.a['x'][0]
d['items']
d.items()
d.keys()
d.values() | list
d.missing
d.missing.x
d['missing'] is defined
d.missing is defined
missing.x is defined
missing
missing.x
missing['x']
missing()
missing + 1
missing == missing
missing == none
missing is none
not missing
missing | length
missing | list
missing | upper
missing | default('x')
missing | d
missing.x | default('x')
none.x
none.x.y
n.x
no | default('x')
no | default('x', true)
e | default('x', boolean=true)
d.get('b')
d.get('zz')
d.get('zz', 4)
d.get([])
d.get()
d.update({'a': 1})
d.pop('a')
d.update is defined
l.append(4)
l.append
l.index(1)
l.index(9)
l.count(1)
l.pop()
l.sort()
l.reverse()
l.copy()
d.copy()
s.upper()
s.lower()
'hELLO wORLD'.title()
'hELLO wORLD'.capitalize()
"they're bill's".title()
"they're (bill's) x-y".title()
"they're (bill's) x-y <b a" | title
'hELLO wORLD' | capitalize
'hELLO'.swapcase()
'ß straße ŉ ﬁ ǆ'.upper()
'ß straße ﬁ ǆ' | title
'ΑΣ ΑΣΑ Σ'.lower()
'İI'.lower()
'ǆß'.capitalize()
sp.strip()
sp.lstrip()
sp.rstrip()
'xxaxx'.strip('x')
'xyaxy'.lstrip('yx')
'xyaxy'.rstrip('yx')
'<think>a'.lstrip('<think>')
'abc'.strip(none)
'abc'.strip(1)
'\u3000a\u00a0'.strip()
'a b  c'.split()
' a b  c '.split(none, 1)
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
'a,b,,c'.split(',', maxsplit=2)
'a,b,,c'.rsplit(',', 1)
' a b  c '.rsplit(none, 1)
'a b'.split('')
''.split()
''.split(',')
'a</x>b</x>c'.split('</x>')[-1]
'a\nb\r\nc\rd\n'.splitlines()
'a\nb\n'.splitlines(true)
'a\x0bb\x1cc\u2028d'.splitlines()
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'abc'.partition('x')
'abc'.startswith('ab')
'abc'.startswith(('x', 'a'))
'abc'.startswith('b', 1)
'abc'.endswith('bc')
'abc'.endswith('b', 0, 2)
'abc'.startswith(1)
'abcabc'.replace('b', 'X')
'abcabc'.replace('b', 'X', 1)
'aüb'.replace('', '-')
'aaa'.replace('', '-', 2)
'abc'.replace('b', 1)
'abcabc'.find('c')
'üabc'.find('b')
'abc'.find('x')
'abcabc'.rfind('b')
'abc'.index('x')
'abcabc'.count('bc')
'abc'.count('')
'abcabc'.find('c', 3)
'abcabc'.find('a', 1, 3)
'-'.join(['a', 'b'])
'-'.join([1])
'-'.join('abc')
'{} {}'.format(1, 'a')
'{0} {1} {0}'.format(1, 'a')
'{a} {b!r}'.format(a=1, b='x')
'{:>5}|{:<5}|{:^5}'.format('a', 'b', 'c')
'{:.2f} {:05d} {:+} {:,}'.format(3.14159, 42, 7, 1234567)
'{:*^9}'.format('mid')
'{:x} {:#X} {:b} {:o}'.format(255, 255, 5, 8)
'{:.3}'.format('abcdef')
'{0[a]} {1.x}'.format({'a': 1}, {'x': 2})
'{'.format()
'{}'.format()
'{{}}'.format()
'{} {0}'.format(1)
'{:d}'.format('a')
'{:10}|'.format(5)
'{:10}|'.format(true)
'{!s:>4}'.format(1)
'%s and %d' % ('a', 3)
'%s' % 'x'
'%s' % [1, 2]
'%d%%' % 50
'%.2f' % 3.14159
'%5s|%-5s|' % ('a', 'b')
'%05d' % 42
'%+d' % 5
'%x %X %o' % (255, 255, 8)
'%r' % 'a'
'%(a)s-%(b)d' % {'a': 1, 'b': 2}
'%s %s' % 'x'
'%s' % ('a', 'b')
'%d' % 'a'
'%d' % 3.99
'%e' % 12345.678
'%g' % 0.00001234
'%z' % 1
'a' % 1
'%s, %s!' | format('x', 'y')
'%(a)s' | format(a=1)
'12'.isdigit()
'1²'.isdigit()
''.isdigit()
'½'.isnumeric()
'aü'.isalpha()
'a1'.isalnum()
' \t'.isspace()
'aB'.islower()
'AB1'.isupper()
'7'.zfill(3)
'-7'.zfill(4)
'ab'.center(5)
'abc'.center(6, '*')
'ab'.ljust(4, '.')
'ab'.rjust(4)
'TestHook'.removeprefix('Test')
'TestHook'.removesuffix('Hook')
s.nosuch
s.nosuch()
s.__class__
s['__class__']
l.__len__()
s | upper
n | upper
none | string
n | string
f | string
s | length
n | length
l | count
d | length
sp | trim
'xax' | trim('x')
n | trim
l | join
l | join(', ')
users | join(', ', attribute='name')
l | join(1)
'abc' | join('-')
none | join
l | first
l | last
[] | first
[] | last
s | first
s | last
d | first
d | last
l | list
s | list
d | list
l | reverse | list
s | reverse
u | reverse
d | reverse | list
l | sort
l | sort(reverse=true)
ls | sort
ls | sort(case_sensitive=true)
ls | sort(true)
users | sort(attribute='age') | map(attribute='name') | list
users | sort(attribute='age,name') | map(attribute='name') | list
users | sort(attribute='on')
[1, 'a'] | sort
d | sort
l | min
l | max
ls | min
ls | max
users | max(attribute='age')
[] | max
l | sum
[1.5, 2, true] | sum
users | sum(attribute='age')
users | sum('age', 5)
['a'] | sum
[[1], [2]] | sum(start=[])
['a', 'B', 'b', 'A', 1, 1.0] | unique | list
[[1]] | unique | list
l | map('string') | list
ls | map('upper') | join
users | map(attribute='name') | list
users | map(attribute='on') | list
users | map(attribute='on', default='?') | list
ll | map('first') | list
ll | map(attribute=0) | list
l | map('nosuch') | list
l | map
users | map(attribute='name', x=1) | list
l | select | list
[0, 1, '', 'a', none] | select | list
l | select('odd') | list
l | select('gt', 1) | list
l | reject('==', 2) | list
l | select('nosuch') | list
[1, none, missing] | reject('none') | list
users | selectattr('on') | map(attribute='name') | list
users | selectattr('age', 'equalto', 30) | list | length
users | rejectattr('on') | map(attribute='name') | list
users | selectattr('on', 'defined') | list | length
users | selectattr('name', 'in', ['cy', 'ann']) | map(attribute='name') | join('+')
users | selectattr | list
users | selectattr('age') | length
(users | selectattr('age', 'gt', 100)) is true
'yes' if users | selectattr('age', 'gt', 100) else 'no'
'yes' if users | selectattr('age', 'gt', 100) | list else 'no'
(l | map('string'))[0] is defined
l | map('string') | last
(l | map('string')) | first
d | items | list
missing | items | list
l | items | list
d | dictsort
{'b': 1, 'A': 2} | dictsort
{'b': 1, 'A': 2} | dictsort(true)
{'b': 1, 'A': 2} | dictsort(by='value')
{'b': 1, 'A': 2} | dictsort(false, 'key', true)
{'b': 1} | dictsort(by='x')
l | dictsort
s | replace('l', 'L')
s | replace('l', 'L', 1)
n | replace(7, 8)
s | replace('l')
'12' | int
'12.7' | int
'x' | int
'x' | int(5)
'ff' | int(base=16)
'0x1f' | int(0, 16)
' 12 ' | int
'1_000' | int
'-5' | int
'' | int
none | int
true | int
3.99 | int
-3.99 | int
missing | int
l | int
'1.5' | float
'1e3' | float
'x' | float
'inf' | float
'-inf' | float
'nan' | float
' 1_0.5 ' | float
none | float(2.5)
3 | float
missing | float
3.14159 | round
3.14159 | round(2)
2.5 | round
3.5 | round
2.675 | round(2)
-2.5 | round
42 | round
45 | round(-1)
55 | round(-1)
1234.5 | round(-2)
3.2 | round(0, 'ceil')
3.25 | round(1, 'floor')
3.7 | round(method='floor')
3 | round(method='ceil')
'a' | round
3.1 | round(1, 'x')
-5 | abs
-5.5 | abs
'a' | abs
'<a href="x">\'&' | escape
'<b>' | e
'<b>' | safe
'a\nb\n\nc' | indent
'a\nb' | indent(2)
'a\nb' | indent(2, true)
'a\n\nb' | indent(2, blank=true)
'a\nb' | indent('> ')
'a\nb\n' | indent
n | indent
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3] | batch(2, 'x') | list
'one two, three' | wordcount
s | nosuch
s | attr('upper')
d | tojson
{'a': [1, 2.0, 1e100, true, none, 'ü"\\/\n\x01\x7f'], 'b': {}, 'c': []} | tojson
{'a': [1, {'b': 2}], 'c': {}} | tojson(indent=2)
[1, [2]] | tojson(indent='--')
[] | tojson(indent=2)
{'b': 1, 'a': 2} | tojson(sort_keys=true)
{'b': 1, 'a': [1]} | tojson(separators=(',', ':'))
'ü👍' | tojson(ensure_ascii=true)
'ü👍' | tojson(true)
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
{(1, 2): 3} | tojson
(1, 2) | tojson
missing | tojson
[missing] | tojson
('nan' | float) | tojson
('-inf' | float) | tojson
range(3) | tojson
d.items() | tojson
1.0 | tojson
0.1 | tojson
1e16 | tojson
range(3) | list
range(1, 4) | list
range(10, 0, -3) | list
range(0)| list
range(1, 2, 0)
range('a')
range()
range(200000) | length
dict(a=1, b=2)
dict([('a', 1), ('b', 2)])
dict(d, z=1) | length
dict(1)
namespace(a=1).a
namespace(a=1)
namespace(a=1).b is defined
namespace(_a=1)
namespace({'x': 2}).x
raise_exception('no')
nosuch(1)
s()
d.b()
n is defined
missing is not defined
missing is undefined
no is none
s is string
n is string
d is mapping
l is mapping
l is sequence
s is sequence
d is sequence
n is sequence
missing is sequence
d.items() is sequence
range(2) is sequence
l is iterable
n is iterable
d.items() is iterable
missing is iterable
n is number
f is number
t is number
n is integer
t is integer
f is integer
f is float
n is float
t is boolean
n is boolean
t is true
n is true
t is false
t is sameas true
1 is sameas true
l is sameas l
n is odd
n is even
f is odd
's' is odd
n is divisibleby 7
n is divisibleby(3)
n is divisibleby 0
n is eq 7
n is equalto(7)
n is == 7
n is ne 7
n is gt 3
n is greaterthan 3
n is lt 3
n is le 7
n is ge 8
n is in [7, 8]
n is in l
'ell' is in s
'abc' is lower
'ABC' is upper
'aBc' is lower
'' is lower
range is callable
s is callable
'upper' is filter
'nosuch' is filter
'odd' is test
s is escaped
n is nosuch
n is not none and n is not string
not n is none
n is defined is true
l is sequence and l is not mapping and l is not string
n is divisibleby 7 and true
users[0].name | upper ~ '!'
users | length - 1
-1 | abs
n - 1 | abs
(n - 10) | abs
users[(users | length) - 1].name
users[-1]['name'][0]
[x for x in l]
lambda x: x
n == 7 and s == 'Hello, World' or false
not n == 7
not 'a' in s
'a' not in s and not false
[1, 2,]
{'a': 1,}
(1, 2,)
[,]
(,)
{1}
1 +
a b
a.
a[
a[]
a..b
'unclosed
@
s | upper()
s | upper(1)
s.upper(1)
s.split(sep=',')
s.split(nope=1)
l | join(d='-')
l | join('-', d='x')
l | join(x='-')
dict(**{'a': 1})
dict(**d) | length
range(*[1, 3]) | list
dict(a=1, **{'a': 2})
range(**{'a': 1})
'%s %s' | format(*['a', 'b'])
9223372036854775807
[true, false, none]
True and None is none
[1.0, 1e300 * 1e10, -1e300 * 1e10]
s | first | upper
s.lower().split(', ')[1].title()
(s ~ '!') | length
s is string and s | length > 3
1 if 0 else 2 + 3
(1, 2) in [(1, 2)]
'a' in ['a'] and 'b' in 'abc'
l == [3, 1, 2]
l | sort == [1, 2, 3]
l | length == 3
2 > 1 == true
d.a.x | first
d.a.x.0
loop
loop.index
caller()
varargs
""".strip("\n")

STATEMENTS = [
    "", "plain\n", "plain\n\n", "a\r\nb\rc\n", "{{ 1 }}\n", "{{ 1 }}\n\n", "{# c #}\nx", "{# c -#}  \n x", "a {#- c #} b", "a\n  {# c #}\nb",
    "{#", "{# a", "a #}", "{{", "{{ 1", "{{ 1 }", "{%", "{% if", "{% if 1 %}", "{% endif %}", "{% nosuch %}", "{% %}", "{{ }}", "{% if %}{% endif %}",
    "  {% if true %}\n  a\n  {% endif %}\n  b", "  {%+ if true %}\n  a\n  {%+ endif +%}\n  b", "x  {%- if true -%}  \n\n a  {%- endif -%}  y",
    "a\n\n  {%- if true %}\nb\n{%- endif %}\n\nc", "{% if true +%}\n a{% endif %}", "a {{- 1 -}} b", "a \n {{- 1 -}} \n b", "  {{ 1 }}\n  {{ 2 }}\n",
    "\t{% set x = 1 %}\n{{ x }}", "a{% set x = 1 %} {{ x }}", "{{-1}}", "{{+1}}", "{{ - 1 }}", "{{ 1 - -1 }}", "{{ {'a': {'b': 1}}.a.b }}", "{{ {} }}", "{{'}}'}}", "{{ '%}' }}", "{% set x = '%}' %}{{ x }}",
    "{{ 1 }}{{ 2 }}", "{ { 1 } }", "{", "}}", "%}", "{{ '{{' }}", "a{{ '\\n' }}b",
    "{% raw %}{{ x }}{% if %}{% endraw %}", "{% raw -%}  a  {%- endraw %}", "  {% raw %}\n a\n  {% endraw %}\n b", "{%- raw %} a {% endraw -%} b", "{% raw %}", "{% raw %}{% endraw",
    "{% if z %}a{% elif n %}b{% else %}c{% endif %}", "{% if z %}a{% elif z %}b{% else %}c{% endif %}", "{% if z %}a{% elif z %}b{% endif %}", "{% if 1, 2 %}a{% endif %}", "{% if true: %}a{% endif %}",
    "{% for x in l %}{{ x }},{% endfor %}", "{% for x in [] %}a{% else %}b{% endfor %}", "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.last }}{% endfor %}", "{% for x in l if x > 9 %}a{% else %}b{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d | items %}{{ k }};{% endfor %}", "{% for k in d %}{{ k }};{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}", "{% for x in missing %}a{% else %}b{% endfor %}",
    "{% for x in n %}{% endfor %}", "{% for x in none %}{% endfor %}", "{% for a, b in ll %}{{ a }}-{{ b }} {% endfor %}", "{% for a, b in l %}{% endfor %}", "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}",
    "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}", "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}", "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in l %}{{ loop.nosuch }}{% endfor %}", "{% for x in l %}{{ loop['index'] }}{% endfor %}", "{% for x in l %}{{ loop }}{% endfor %}",
    "{% for x in ll %}{% for y in x %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}", "{% for x in ll %}{% set o = loop %}{% for y in x %}{{ o.index }}{{ y }} {% endfor %}{% endfor %}", "{% for loop in l %}{% endfor %}", "{% for x in l %}{% endfor %}{{ x }}", "{% for x in l %}{% endfor %}{{ loop }}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% break %}", "{% continue %}", "{% if true %}{% break %}{% endif %}", "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{% for x in l %}{% break %}{% else %}e{% endfor %}", "{% for x in l %}a{% else %}{% break %}{% endfor %}",
    "{% for x in l recursive %}{{ x }}{% endfor %}X{{ 1 / 0 }}", "{% for x in (l | reverse) %}{{ x }}{{ loop.length }}{% endfor %}", "{% for x in l | map('string') %}{{ x }}{{ loop.last }}{% endfor %}", "{% set g = l | map('string') %}{{ g | list }}{{ g | list }}",
    "{% set ns = namespace(stop=false) %}{% for x in [1, 2, 3] if not ns.stop %}{{ x }}{% if x == 2 %}{% set ns.stop = true %}{% endif %}{% endfor %}",
    "{% set x = 1 %}{{ x }}", "{% set x = 1, 2 %}{{ x }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = 1 %}", "{% set a, b = [1] %}", "{% set x %}a{{ 1 }}b{% endset %}{{ x }}", "{% set x | upper %}abc{% endset %}{{ x }}", "{% set x | replace('a', 'b') | upper %}abc{% endset %}{{ x }}", "{% set 1 = 2 %}", "{% set x.y = 2 %}", "{% set d.y = 2 %}", "{% set x[0] = 2 %}", "{% set x %}",
    "{% set x = 1 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "{% for i in l %}{{ x }}{% set x = i %}{% endfor %}", "{% set x = 0 %}{% for i in l %}{{ x }}{% set x = x + i %}{{ x }};{% endfor %}", "{% if true %}{% set s = 'new' %}{% endif %}{{ s }}", "{% for i in [1] %}{% set s = 'new' %}{% endfor %}{{ s }}",
    "{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns.y = [1] %}{{ ns.y }}{{ ns }}", "{% set ns = namespace() %}{% set ns._y = 1 %}", "{% set ns = namespace(a=1) %}{% set ns.a, b = 2, 3 %}{{ ns.a }}{{ b }}", "{% set ns = namespace(a=1) %}{{ ns['a'] }}{{ ns.b }}", "{% set ns = namespace(a=1) %}{% for x in ns %}{% endfor %}", "{% set ns = namespace(items=1) %}{{ ns.items }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }}", "{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}", "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}", "{% macro m(a, a) %}{% endmacro %}{{ m(1, 2) }}x{{ 1/0 }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}", "{% macro m() %}{% set y = 1 %}{% endmacro %}{{ m() }}{{ y }}", "{% macro m(n) %}{{ n }}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(3) }}", "{% macro m() %}a{% endmacro %}{{ m }}", "{% macro m() %}a{% endmacro %}{{ m() | upper }}{{ m() ~ m() }}", "{% macro m() %} a {% endmacro %}{{ m().strip() }}|", "{% macro m() %}{% endmacro %}{{ m() is string }}{{ m is callable }}{{ m.name }}", "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% if true %}{% macro m() %}a{% endmacro %}{% endif %}{{ m() }}", "{{ m() }}{% macro m() %}a{% endmacro %}", "{% for x in l %}{% macro m() %}{{ loop.index }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m(l) %}{% for x in l %}{{ x }}{% endfor %}{% endmacro %}{{ m([1, 2]) }}{{ m('ab') }}", "{% macro m() -%}\n  a\n{%- endmacro %}[{{ m() }}]",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body{{ n }}{% endcall %}", "{% macro m() %}{% for x in [1, 2] %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(y) m() %}[{{ y }}]{% endcall %}", "{% macro m() %}a{% endmacro %}{% call m() %}b{% endcall %}", "{% macro m() %}{{ caller }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% call 1 %}{% endcall %}", "{% macro m(a) %}{{ a }}{{ caller() }}{% endmacro %}{% call m(1) %}{% set q = 2 %}{{ q }}{% endcall %}{{ q }}", "{% macro m() %}{{ caller('p', k=2) }}{% endmacro %}{% call(a, k=1) m() %}{{ a }}{{ k }}{% endcall %}",
    "{% filter upper %}abc{{ 'd' }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}abc{% endfilter %}", "{% filter nosuch %}{% endfilter %}", "{% filter upper %}{% set w = 1 %}{% endfilter %}{{ w }}", "{% for x in l %}{% filter upper %}a{{ x }}{% endfilter %}{% endfor %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}", "{% with a = 1 %}{% with b = a %}{{ b }}{% endwith %}{% endwith %}", "{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}",
    "a{% generation %}b{{ n }}{% endgeneration %}c", "{% generation %}{% set x = 1 %}{% endgeneration %}{{ x }}", "{% for x in l %}{% generation %}{{ loop.index }}{% endgeneration %}{% endfor %}", "{% generation %}", "{% for x in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% print 1, 'a' %}", "{% do l.append(1) %}", "{% set x = 5 %}{% if x is defined %}{{ x }}{% endif %}", "{% if nosuch is defined and nosuch %}a{% else %}b{% endif %}", "{{ x | nosuch if false }}", "{% if false %}{{ 1 | nosuch }}{% endif %}", "{% if false %}{{ 1 is nosuch }}{% endif %}ok", "{% for x in [] %}{{ 1 | nosuch }}{% endfor %}", "{% if false %}{% for x in [] %}{{ 1 | nosuch }}{% endfor %}{% endif %}", "{{ 1 if false else 2 | nosuch }}", "{% for x in l %}{% continue %}{% else %}e{% endfor %}", "{% for x in l %}{% if x == 2 %}{% break %}{% endif %}{% else %}e{% endfor %}",
    "{% if s == 'Hello, World' and 'x' not in d and l|length > 2 %}yes{% endif %}", "{{ raise_exception('bad ' ~ n) }}", "{% if false %}{{ raise_exception('bad') }}{% endif %}fine", "{% set range = 5 %}{{ range }}", "{{ range }}x{{ 1 / 0 }}", "{{ {'a': 1}.items() }}", "{{ users[0] }}", "{{ ['ü', '👍', '\\u200d'] }}", "{{ {'k': 'it\\'s'} }}",
    "{% set x = {'a': [1, {'b': none}]} %}{{ x }}{{ x | tojson }}{{ x.a[1].b }}", "{% set messages = [{'role': 'user', 'content': 'a'}] %}{% for m in messages %}{{ m['role'] ~ ': ' + m.content }}{% endfor %}", "{% for m in users if m.on is defined %}{{ m.name }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for m in users %}{% if loop.nextitem is defined and loop.nextitem.age == m.age %}same{% else %}diff{% endif %}{% endfor %}",
    "line1\n{% if true %}\nline2\n{% endif %}\nline3\n", "  {% for x in l %}  \n  {{ x }}  \n  {% endfor %}  \nend", "{%- for x in l %}\n{{ x }}\n{%- endfor %}\n", "<div>\n    {% if true %}\n        yes\n    {% endif %}\n</div>\n", "{% if true %}\n\na\n{% endif %}", "a\n{# comment #}\nb", "a\n{#- comment -#}\nb", "  {#+ c #}\nb", "\n\n{{ 1 }}", "{% set x = 1 -%}\n\n  b", "{% set x = 1 +%}\n  b", "\u00a0{% if true %}a{% endif %}", "x\u3000{%- if true %}a{% endif %}",
    "{{ 'a'\n~ 'b' }}", "{{ [1,\n2] }}", "{% set x = [\n  1,\n  2\n] %}{{ x }}", "{% autoescape true %}a{% endautoescape %}{{ 1 / 0 }}", "{{ 1;2 }}", "{% if 1 %}a{% else %}b{% elif 2 %}c{% endif %}", "{% for x in l %}a{% endif %}", "{% set x = 1 %}{% set y = x %}{% set x = 2 %}{{ y }}", "{{ s.upper }}X{{ 1 / 0 }}", "{{ 'a' if n else }}", "{{ ä }}", "{% set ä = 1 %}{{ ä }}", "{{ 1x }}", "{{ x1 }}", "{{ _x }}", "{{ n.real }}X{{ 1 / 0 }}",
]

SNIPPETS = ["{{ " + line + " }}" for line in EXPRESSIONS.replace("'a\\\nb'", "'a\x00b'").split("\n")] + STATEMENTS
SNIPPETS = [snippet.replace("'a\x00b'", "'a\\\nb'") for snippet in SNIPPETS]
