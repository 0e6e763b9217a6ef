# Writes the text of INPUT as a C++ constant: cmake -D INPUT=file -D OUTPUT=file.cc -D SYMBOL=name -P EmbedText.cmake
file(READ ${INPUT} text)
file(WRITE ${OUTPUT} "extern const char ${SYMBOL}[];\nconst char ${SYMBOL}[] = R\"ppmm(${text})ppmm\";\n")
