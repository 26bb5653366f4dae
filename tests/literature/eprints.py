"""E-prints as authors send them, about a paper that does not exist."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

MAIN = r"""\documentclass{article}
\usepackage{amsmath,booktabs,natbib,xspace}
\usepackage{own}
\newcommand{\method}{PatchNet\xspace}
\newcommand{\loss}[2][\theta]{\mathcal{L}_{#1}(#2)}
\DeclareMathOperator*{\argmax}{arg\,max}
\def\part of#1.{\frac{1}{#1}}
\newif\iflong \longtrue
\newtheorem{theorem}{Theorem}[section]
\title{Patches Are Enough: \\ a Study of Small Vision Networks\thanks{Funded.}}
\author{Ada Example \and Ben Sample}
\begin{document}
\maketitle
\begin{abstract}
We cut images into \emph{patches}. % a note to ourselves
\end{abstract}
\section{Introduction}\label{sec:intro}
\method is a net~\citep{old}; \citet[p.~3]{old} and Section~\ref{sec:method} say more.
\iflong This is the long version. \else This is the short one. \fi
Na\"ive Fran\c{c}ois pays 50\%.\footnote{Code is elsewhere.}
\begin{itemize}
\item patches suffice;
\item nets are \best{small}.
\end{itemize}
\paragraph{Scope.} We go on --- with ``quotes'' and 1--2.
\input{sections/method}
\section{Results}
\begin{table}[t]
\caption{Accuracy of all nets.\label{tab:acc}}
\resizebox{\columnwidth}{!}{%
\begin{tabular}{@{}lcc@{}}
\toprule
\multirow{2}{*}{Net} & \multicolumn{2}{c}{Accuracy} \\ \cmidrule(lr){2-3}
 & top-1 & top-5 \\ \midrule
small & & 91.5 \\
a$|$b & $|x|$ & \textbf{93.0} \\[2pt]
\begin{tabular}[c]{@{}l@{}}two\\ lines\end{tabular} & 1 & -- \\
\bottomrule
\end{tabular}}
\end{table}
\begin{figure}
\includegraphics[width=\linewidth]{curve.pdf}
\caption{Overview of \method.}
\end{figure}
Table~\ref{tab:acc} follows from \eqref{eq:att}.
\begin{theorem}[Main] All is well. \end{theorem}
\begin{verbatim}
for x in y: % no comment
    print({x})
\end{verbatim}
\appendix
\section{Settings}
We train for 7 epochs.
\bibliography{refs}
\end{document}
"""
METHOD = r"""\section{Method}
\label{sec:method}
\subsection{Attention}
We weigh values:
\begin{equation}\label{eq:att}
\mathrm{A}(Q,K,V)=\mathrm{softmax}\left(\frac{QK^{T}}{\sqrt{d_{k}}}\right)V
\end{equation}
where the root keeps the scale, and
\begin{align}
a &= \loss{x} + \argmax_y f(y) \\
b &= \loss[\phi]{z} \nonumber
\end{align}
"""
OWN = r"""\newcommand{\best}[1]{\textbf{#1}} \def\@inner{x}"""
REFERENCES = r"""\begin{thebibliography}{1}
\providecommand{\natexlab}[1]{#1}
\bibitem[Author et~al.(1989)Author, Writer]{old}
A.~Author. \newblock An \emph{old} net{\natexlab{a}}. \newblock 1989.
\end{thebibliography}
"""
FILES = {"main.tex": MAIN, "sections/method.tex": METHOD, "own.sty": OWN, "main.bbl": REFERENCES}


def archive(files: Mapping[str, str], *links: tarfile.TarInfo) -> bytes:
    """Pack text files, and `links`, as arXiv does."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for link in links:
            tar.addfile(link)
    return packed.getvalue()


def whole() -> bytes:
    """Give the e-print of the paper that the server knows as `VISION`."""
    return archive(FILES)


def single(text: str) -> bytes:
    """Give the e-print of a paper of one file, which arXiv does not put into an archive."""
    return gzip.compress(text.encode(), mtime=0)


def article(
    body: str, *, preamble: str = "", title: str = "Patches Are Enough: a Study of Small Vision Networks"
) -> bytes:
    """Put `body` into the first of three sections."""
    return single(
        rf"\documentclass{{article}} {preamble} \title{{{title}}} \begin{{document}}"
        rf" \section{{One}} {body} \section{{Two}} Text. \section{{Three}} Text. \end{{document}}"
    )
